//! `notify`: the same in a manifest and in a project.

use super::input::read_source;
use super::tree::Node;
use crate::{Mistake, Notify, Occasion, Origin, nearest};

pub(super) fn read(node: &Node, out: &mut Vec<Mistake>) -> Option<Notify> {
    let url = node.text(0)?;
    let parsed = url::Url::parse(&url).ok().filter(|url| url.username().is_empty() && url.password().is_none());
    let origin = parsed.and_then(|url| Origin::parse(&url.origin().ascii_serialization()).ok());
    if origin.is_none() {
        let mistake = Mistake::new("relrun::manifest::notify", url.span, format!("nothing can be sent to `{}`", url.value));
        out.push(mistake.help("write an address with `https://`, without a user and a password"));
    }
    let on = node.prop_text("on");
    let mut occasions = Vec::new();
    for word in on.iter().flat_map(|on| on.split_whitespace()) {
        if let Some((_, occasion)) = Occasion::ALL.iter().find(|(known, _)| *known == word) {
            occasions.push(*occasion);
            continue;
        }
        let span = on.as_ref().map_or(node.span, |on| on.span);
        let mistake = Mistake::new("relrun::manifest::notify", span, format!("nothing is told about `{word}`"));
        out.push(mistake.help(match nearest(word, Occasion::ALL.iter().map(|(known, _)| *known)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "there are `started`, `waiting`, `failed`, `succeeded` and `rolled-back`, with spaces between".to_owned(),
        }));
    }
    if on.is_none() {
        occasions = Occasion::ALL.iter().map(|(_, occasion)| *occasion).collect();
    }
    let secret = node.prop_text("secret").and_then(|secret| read_source(&secret, out)).map(|secret| secret.value);
    Some(Notify { origin: origin?, url, on: occasions, secret, private: node.prop_bool("private").unwrap_or_default() })
}
