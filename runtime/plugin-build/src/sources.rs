//! What the program carries of the SDKs.

use relrun_manifest::Language;

/// Which part of an SDK's folder a file is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Sdk,
    Template,
}

/// The language, the part, the path in it, and the bytes.
type Row = (&'static str, Part, &'static str, &'static [u8]);

static FILES: &[Row] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));

fn of(language: Language, part: Part) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES.iter().filter(move |row| row.0 == language.word() && row.1 == part).map(|row| (row.2, row.3))
}

/// Returns the files of a language's SDK, the plugin world among them, by their paths.
pub(crate) fn sdk(language: Language) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    of(language, Part::Sdk).chain([("wit/plugin.wit", crate::anatomy::WIT.as_bytes())])
}

/// Returns the files of a language's template.
pub(crate) fn template(language: Language) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    of(language, Part::Template)
}
