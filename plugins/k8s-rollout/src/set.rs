//! Values that a manifest's author puts into objects: at a path, and as images.

use relrun_sdk::serde_json::Value;
use relrun_sdk::{Error, Result};

/// Where a value goes: `Deployment/web:spec.template.spec.containers[web].image`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    pub(crate) object: &'a str,
    path: Vec<Part<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Field(&'a str),
    /// An item, by its `name` or its number.
    Item(&'a str),
}

impl<'a> Place<'a> {
    /// Reads a place.
    pub(crate) fn parse(text: &'a str) -> Result<Self> {
        let wrong = |why: &str| Error::invalid(format!("set {text:?}: {why}; write `set \"Deployment/web:spec.replicas\" \"3\"`"));
        let (object, path) = text.split_once(':').ok_or_else(|| wrong("no `:` parts the object from the path"))?;
        if object.split('/').filter(|part| !part.is_empty()).count() != 2 {
            return Err(wrong("the object is a kind and a name"));
        }
        let mut parts = Vec::new();
        let mut rest = path;
        while !rest.is_empty() {
            let item = rest.strip_prefix('[');
            let (part, after) = if let Some(inner) = item {
                let (name, after) = inner.split_once(']').ok_or_else(|| wrong("a `[` is not closed"))?;
                (Part::Item(name), after)
            } else {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                (Part::Field(&rest[..end]), &rest[end..])
            };
            if matches!(part, Part::Item("") | Part::Field("")) {
                return Err(wrong("a part of the path is empty"));
            }
            parts.push(part);
            rest = after.strip_prefix('.').unwrap_or(after);
        }
        if parts.is_empty() {
            return Err(wrong("the path is empty"));
        }
        Ok(Self { object, path: parts })
    }

    /// Returns what stands there.
    pub(crate) fn get<'v>(&self, object: &'v Value) -> Option<&'v Value> {
        self.path.iter().try_fold(object, |place, part| match part {
            Part::Field(name) => place.get(name),
            Part::Item(name) => {
                let items = place.as_array()?;
                items.iter().find(|item| item["name"] == *name).or_else(|| items.get(name.parse::<usize>().ok()?))
            }
        })
    }

    /// Puts a value there. It takes the type of what it replaces; where nothing is, it is text.
    pub(crate) fn put(&self, object: &mut Value, text: &str) -> Result<()> {
        let mut place = object;
        for part in &self.path {
            place = step(place, part).map_err(|why| Error::invalid(format!("set {}: {why}", self.object)))?;
        }
        *place = match place {
            Value::Number(_) | Value::Bool(_) => serde_saphyr::from_str_with_options::<Value>(text, crate::manifests::yaml())
                .ok()
                .filter(|value| std::mem::discriminant(value) == std::mem::discriminant(place))
                .ok_or_else(|| Error::invalid(format!("set {}: {text:?} is not what {place} is", self.object)))?,
            Value::Object(_) | Value::Array(_) => {
                return Err(Error::invalid(format!("set {}: the path names more than one value", self.object)));
            }
            _ => Value::from(text),
        };
        Ok(())
    }
}

fn step<'v>(value: &'v mut Value, part: &Part<'_>) -> std::result::Result<&'v mut Value, String> {
    match part {
        Part::Field(name) => {
            if value.is_null() {
                *value = Value::Object(relrun_sdk::serde_json::Map::new());
            }
            let fields = value.as_object_mut().ok_or_else(|| format!("nothing has a field {name:?} there"))?;
            Ok(fields.entry(*name).or_insert(Value::Null))
        }
        Part::Item(name) => {
            let items = value.as_array_mut().ok_or_else(|| format!("[{name}] is of no list"))?;
            let at = items.iter().position(|item| item["name"] == *name).or_else(|| name.parse().ok());
            at.and_then(|at| items.get_mut(at)).ok_or_else(|| format!("no item is named {name:?}"))
        }
    }
}

/// Replaces the images of all containers whose image has a name that is known. Returns the names that were met.
pub(crate) fn images<'a>(object: &mut Value, images: &'a std::collections::BTreeMap<String, String>, met: &mut Vec<&'a str>) {
    match object {
        Value::Object(fields) => {
            for (name, value) in fields {
                if matches!(name.as_str(), "containers" | "initContainers") {
                    let containers = value.as_array_mut().into_iter().flatten();
                    for image in containers.filter_map(|container| container.get_mut("image")) {
                        replace(image, images, met);
                    }
                } else {
                    self::images(value, images, met);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| self::images(item, images, met)),
        _ => {}
    }
}

/// Returns all containers of an object, wherever it has its pods' template.
pub(crate) fn containers(object: &Value) -> Vec<&Value> {
    match object {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match (name.as_str(), value) {
                ("containers" | "initContainers", Value::Array(items)) => items.iter().collect(),
                _ => containers(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(containers).collect(),
        _ => Vec::new(),
    }
}

/// Returns whether a container has an image of a name.
pub(crate) fn has_image(container: &Value, name: &str) -> bool {
    container["image"].as_str().is_some_and(|image| bare(image) == name)
}

fn replace<'a>(image: &mut Value, images: &'a std::collections::BTreeMap<String, String>, met: &mut Vec<&'a str>) {
    let Some(text) = image.as_str() else { return };
    let bare = bare(text);
    if let Some((name, with)) = images.iter().find(|(name, _)| *name == bare) {
        met.push(name);
        *image = Value::from(with.as_str());
    }
}

/// Returns an image's name without its tag and digest.
fn bare(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    let last = name.rfind('/').map_or(0, |at| at + 1);
    name[last..].find(':').map_or(name, |at| &name[..last + at])
}
