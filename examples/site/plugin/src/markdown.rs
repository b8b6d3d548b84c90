//! One page: Markdown to the HTML of its body. Pure. Links are rewritten as the site lays its files; whether they lead anywhere is not
//! decided here.

use crate::files::is_external;
use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};
use std::collections::BTreeMap;

/// A rendered page.
pub(crate) struct Body {
    /// Its first heading.
    pub(crate) title: Option<String>,
    /// The second-level headings: id and text.
    pub(crate) sections: Vec<(String, String)>,
    /// The HTML of what the page says.
    pub(crate) html: String,
}

/// Renders a page. `to_html` says where a relative link leads on the site; `None`: to a file that is not published.
pub(crate) fn render(markdown: &str, to_html: &dyn Fn(&str) -> Option<String>) -> Body {
    let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut events: Vec<Event<'_>> = Parser::new_ext(markdown, options).collect();
    let (title, sections) = name_headings(&mut events);
    lead_links(&mut events, to_html);
    let mut out = String::with_capacity(markdown.len() * 2);
    html::push_html(&mut out, events.into_iter());
    Body { title, sections, html: out }
}

/// Gives every heading an id, as the forges do, and returns the title and the sections.
fn name_headings(events: &mut [Event<'_>]) -> (Option<String>, Vec<(String, String)>) {
    let (mut title, mut sections, mut used) = (None, Vec::new(), BTreeMap::new());
    for start in 0..events.len() {
        let Event::Start(Tag::Heading { level, .. }) = events[start] else { continue };
        let inside = events[start..].iter().take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
        let text: String =
            inside.filter_map(|event| if let Event::Text(text) | Event::Code(text) = event { Some(&**text) } else { None }).collect();
        let name = unused(slug(&text), &mut used);
        if let Event::Start(Tag::Heading { id, .. }) = &mut events[start] {
            *id = Some(CowStr::from(name.clone()));
        }
        match level {
            HeadingLevel::H1 if title.is_none() => title = Some(text),
            HeadingLevel::H2 => sections.push((name, text)),
            _ => {}
        }
    }
    (title, sections)
}

/// Returns a heading's id: letters and digits in lower case, `-` for a space, nothing for the rest.
pub(crate) fn slug(text: &str) -> String {
    let kept = text.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn unused(name: String, used: &mut BTreeMap<String, usize>) -> String {
    let count = used.entry(name.clone()).or_insert(0);
    *count += 1;
    if *count == 1 { name } else { format!("{name}-{}", *count - 1) }
}

/// Lets relative links lead to the site's files. A link to what is not published becomes its text: the reader sees the file's name.
fn lead_links(events: &mut [Event<'_>], to_html: &dyn Fn(&str) -> Option<String>) {
    let mut unpublished = false;
    for event in events {
        match event {
            Event::Start(Tag::Link { dest_url, .. }) => {
                let led = if is_external(dest_url) { Some(dest_url.to_string()) } else { to_html(dest_url) };
                unpublished = led.is_none();
                match led {
                    Some(led) => *dest_url = CowStr::from(led),
                    None => *event = Event::InlineHtml(CowStr::from(format!("<span class=\"file\" title=\"{}\">", escaped(dest_url)))),
                }
            }
            // A link holds no other link, so one flag will do.
            Event::End(TagEnd::Link) if unpublished => {
                unpublished = false;
                *event = Event::InlineHtml(CowStr::Borrowed("</span>"));
            }
            _ => {}
        }
    }
}

/// Returns a text as HTML shows it, also in an attribute.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
