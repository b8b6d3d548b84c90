//! The picture. `layout-rs` says where boxes and arrows go; the writer here gives them a font, colours that also read in print, and a size
//! that fits, none of which the library's own writer does.

use super::picture::{Arrow, Kind, Picture};
use crate::graph::Graph;
use layout::core::base::Orientation;
use layout::core::color::Color;
use layout::core::format::{ClipHandle, RenderBackend};
use layout::core::geometry::Point;
use layout::core::style::{LineStyleKind, StyleAttr};
use layout::std_shapes::shapes::{Arrow as Line, Element, LineEndKind, ShapeKind};
use layout::topo::layout::VisualGraph;
use std::fmt::Write;

const FONT: usize = 14;
/// Room round the whole, in pixels.
const MARGIN: f64 = 16.0;

impl Graph {
    /// Returns the graph as a picture. One of more than about a hundred nodes is folded by phase and environment, and says so.
    pub fn to_svg(&self) -> String {
        let picture = Picture::of(self);
        if picture.boxes.is_empty() {
            return Canvas::default().finish();
        }
        let mut visual = VisualGraph::new(Orientation::LeftToRight);
        let handles: Vec<_> = picture.boxes.iter().map(|(kind, text)| visual.add_node(element(*kind, text))).collect();
        for &(from, to, arrow) in &picture.arrows {
            visual.add_edge(line(arrow), handles[from], handles[to]);
        }
        let mut canvas = Canvas::default();
        visual.do_it(false, false, false, &mut canvas);
        canvas.finish()
    }
}

fn element(kind: Kind, text: &str) -> Element {
    let (line, fill, rounded) = match kind {
        Kind::Phase => (0x3b4a_6bff, 0x3b4a_6bff, 4),
        Kind::Step => (0x5b6b_8cff, 0xf4f6_fbff, 12),
        Kind::Deploy => (0x2e7d_4fff, 0xe3f4_e8ff, 0),
        Kind::Note => (0xb58b_00ff, 0xfff7_d6ff, 0),
    };
    let width = if kind == Kind::Deploy { 3 } else { 1 };
    let text: String = text.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    let look = StyleAttr::new(Color::new(line), width, Some(Color::new(fill)), rounded, FONT);
    let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(1);
    let high = text.lines().count().max(1);
    #[expect(clippy::cast_precision_loss, reason = "labels are short")]
    let size = Point::new(widest as f64 * FONT as f64 * 0.62 + 24.0, high as f64 * FONT as f64 * 1.3 + 14.0);
    Element::create(ShapeKind::Box(text), look, Orientation::LeftToRight, size)
}

fn line(arrow: Arrow) -> Line {
    let (kind, color) = match arrow {
        Arrow::Named => (LineStyleKind::Normal, 0x2f3b_52ff),
        Arrow::Order => (LineStyleKind::Dashed, 0x9aa5_b8ff),
    };
    let look = StyleAttr::new(Color::new(color), 1, None, 0, FONT);
    Line::new(LineEndKind::None, LineEndKind::Arrow, kind, "", &look, &None, &None)
}

/// Collects the marks and how far they reach.
#[derive(Default)]
struct Canvas {
    body: String,
    reach: Option<(Point, Point)>,
    last_fill: Option<String>,
}

impl Canvas {
    fn grow(&mut self, at: Point) {
        let (low, high) = self.reach.unwrap_or((at, at));
        self.reach = Some((Point::new(low.x.min(at.x), low.y.min(at.y)), Point::new(high.x.max(at.x), high.y.max(at.y))));
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.body.write_fmt(text);
        self.body.push('\n');
    }

    fn finish(self) -> String {
        let (low, high) = self.reach.unwrap_or((Point::zero(), Point::new(0.0, 0.0)));
        let (x, y) = (low.x - MARGIN, low.y - MARGIN);
        let (width, height) = (high.x - low.x + 2.0 * MARGIN, high.y - low.y + 2.0 * MARGIN);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"{x:.0} {y:.0} {width:.0} {height:.0}\" \
             font-family=\"system-ui, sans-serif\" font-size=\"{FONT}\">\n\
             <title>the graph of a release: green boxes deploy, dark ones are phases; a solid arrow is a step that names another, a dashed one the \
             order of phases</title>\n\
             <defs><marker id=\"head\" markerWidth=\"9\" markerHeight=\"8\" refX=\"8\" refY=\"4\" orient=\"auto\">\
             <path d=\"M0 0 L9 4 L0 8 z\" fill=\"context-stroke\"/></marker></defs>\n\
             <rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" fill=\"#ffffff\"/>\n{}</svg>\n",
            self.body
        )
    }
}

impl RenderBackend for Canvas {
    fn draw_rect(&mut self, at: Point, size: Point, look: &StyleAttr, _properties: Option<String>, _clip: Option<ClipHandle>) {
        self.grow(at);
        self.grow(Point::new(at.x + size.x, at.y + size.y));
        let fill = web(look.fill_color);
        self.put(format_args!(
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"{}\" fill=\"{fill}\" stroke=\"{}\" stroke-width=\"{}\"/>",
            at.x,
            at.y,
            size.x,
            size.y,
            look.rounded,
            web(Some(look.line_color)),
            look.line_width
        ));
        self.last_fill = Some(fill);
    }

    fn draw_line(&mut self, start: Point, stop: Point, look: &StyleAttr, _properties: Option<String>) {
        self.grow(start);
        self.grow(stop);
        let stroke = web(Some(look.line_color));
        self.put(format_args!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{stroke}\"/>",
            start.x, start.y, stop.x, stop.y
        ));
    }

    fn draw_circle(&mut self, at: Point, size: Point, look: &StyleAttr, _properties: Option<String>) {
        self.grow(Point::new(at.x - size.x / 2.0, at.y - size.y / 2.0));
        self.grow(Point::new(at.x + size.x / 2.0, at.y + size.y / 2.0));
        let (fill, stroke) = (web(look.fill_color), web(Some(look.line_color)));
        let (rx, ry) = (size.x / 2.0, size.y / 2.0);
        self.put(format_args!(
            "<ellipse cx=\"{:.1}\" cy=\"{:.1}\" rx=\"{rx:.1}\" ry=\"{ry:.1}\" fill=\"{fill}\" stroke=\"{stroke}\"/>",
            at.x, at.y
        ));
    }

    fn draw_text(&mut self, at: Point, text: &str, look: &StyleAttr) {
        if text.is_empty() {
            return;
        }
        // The library draws a box and then its text: on a dark box the text is light.
        let dark = self.last_fill.as_deref() == Some("#3b4a6b");
        let color = if dark { "#ffffff" } else { "#1c2536" };
        #[expect(clippy::cast_precision_loss, reason = "labels are short")]
        let (lines, step) = (text.lines().count() as f64, look.font_size as f64 * 1.3);
        let mut y = at.y - (lines - 1.0) * step / 2.0;
        for (no, line) in text.lines().enumerate() {
            let weight = if no == 0 { " font-weight=\"600\"" } else { "" };
            self.put(format_args!(
                "<text x=\"{:.1}\" y=\"{y:.1}\" dy=\"0.35em\" text-anchor=\"middle\" fill=\"{color}\"{weight}>{}</text>",
                at.x,
                escape(line)
            ));
            y += step;
        }
    }

    fn draw_arrow(
        &mut self,
        path: &[(Point, Point)],
        dashed: bool,
        _head: (bool, bool),
        look: &StyleAttr,
        _properties: Option<String>,
        _text: &str,
    ) {
        let [first, second, rest @ ..] = path else { return };
        for (control, end) in path {
            self.grow(*control);
            self.grow(*end);
        }
        let mut way = format!(
            "M{:.1} {:.1} C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
            first.0.x, first.0.y, first.1.x, first.1.y, second.0.x, second.0.y, second.1.x, second.1.y
        );
        for (control, end) in rest {
            let _ = write!(way, " S{:.1} {:.1} {:.1} {:.1}", control.x, control.y, end.x, end.y);
        }
        let dash = if dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        let stroke = web(Some(look.line_color));
        self.put(format_args!(
            "<path d=\"{way}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"1.3\"{dash} marker-end=\"url(#head)\"/>"
        ));
    }

    fn create_clip(&mut self, _at: Point, _size: Point, _rounded: usize) -> ClipHandle {
        // Only records are clipped, and there are none here.
        ClipHandle::default()
    }
}

/// The library writes `#rrggbbaa`, which not every reader of SVG takes.
fn web(color: Option<Color>) -> String {
    color.map_or_else(|| "none".to_owned(), |color| color.to_web_color().chars().take(7).collect())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
