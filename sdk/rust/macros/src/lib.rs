//! Attributes that derive what the SDK needs with the SDK's own conventions, so that a plugin's author names neither serde nor schemars.
//!
//! They only add attributes to the item: what is written is what is compiled.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;

/// Makes a struct or enum a plugin's config, or a part of one: read from JSON, with a JSON Schema, names in kebab-case, unknown fields
/// refused.
///
/// `#[config(args("name", "content"))]` says which fields a manifest may write as a node's positional arguments, in this order.
#[proc_macro_attribute]
pub fn config(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let args = match positional(attribute.into()) {
        Ok(args) => args,
        Err(message) => return quote!(::core::compile_error!(#message);).into(),
    };
    let item = Tokens::from(item);
    quote! {
        #[derive(Clone, Debug, ::relrun_sdk::serde::Deserialize, ::relrun_sdk::schemars::JsonSchema)]
        #[serde(crate = "::relrun_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
        #[schemars(crate = "::relrun_sdk::schemars" #args)]
        #item
    }
    .into()
}

/// Makes a struct a plugin's outputs: written as JSON, with a JSON Schema, names in kebab-case.
#[proc_macro_attribute]
pub fn outputs(_: TokenStream, item: TokenStream) -> TokenStream {
    let item = Tokens::from(item);
    quote! {
        #[derive(Clone, Debug, ::relrun_sdk::serde::Serialize, ::relrun_sdk::schemars::JsonSchema)]
        #[serde(crate = "::relrun_sdk::serde", rename_all = "kebab-case")]
        #[schemars(crate = "::relrun_sdk::schemars")]
        #item
    }
    .into()
}

/// Makes a struct or enum a plugin's receipt, or a part of one: written as JSON and read back, names in kebab-case. Unknown fields are
/// ignored, because a newer version of the plugin may have left them.
#[proc_macro_attribute]
pub fn receipt(_: TokenStream, item: TokenStream) -> TokenStream {
    let item = Tokens::from(item);
    quote! {
        #[derive(Clone, Debug, PartialEq, ::relrun_sdk::serde::Serialize, ::relrun_sdk::serde::Deserialize)]
        #[serde(crate = "::relrun_sdk::serde", rename_all = "kebab-case")]
        #item
    }
    .into()
}

/// Turns `args("a", "b")` into the schema's `x-args` keyword.
fn positional(attribute: Tokens) -> Result<Tokens, String> {
    let mut tokens = attribute.into_iter();
    let group = match (tokens.next(), tokens.next(), tokens.next()) {
        (None, _, _) => return Ok(Tokens::new()),
        (Some(proc_macro2::TokenTree::Ident(name)), Some(proc_macro2::TokenTree::Group(group)), None) if name == "args" => group,
        _ => return Err("expected `#[config]` or `#[config(args(\"field\", …))]`".to_owned()),
    };
    let names = group.stream();
    Ok(quote!(, extend("x-args" = [#names])))
}
