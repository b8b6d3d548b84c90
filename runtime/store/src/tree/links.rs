//! Where a tree's links lead. Absolute ones are refused, and those that leave the tree.
//!
//! A link is followed within the tree as the kernel would, through its other links: taking `..` off the text alone is not enough, since in
//! `up/..` the folder behind the link `up` may lie higher than the link. Nothing outside the tree is looked at.

use super::{EntryKind, Tree, refused};
use crate::StoreError;

/// As many links as the kernel follows for one path.
const MOST_HOPS: u32 = 40;

pub(super) fn check(tree: &Tree) -> Result<(), StoreError> {
    for entry in &tree.entries {
        if let EntryKind::Link { target } = &entry.kind {
            let parent = entry.path.rsplit_once('/').map_or("", |(parent, _)| parent);
            follow(tree, parent, target).map_err(|reason| {
                let help = "make it a relative link to something in the same folder tree, or copy what it points to";
                refused(&entry.path, format!("the link to {target} {reason}"), Some(help))
            })?;
        }
    }
    Ok(())
}

fn follow(tree: &Tree, parent: &str, target: &str) -> Result<(), &'static str> {
    let mut place: Vec<&str> = parent.split('/').filter(|part| !part.is_empty()).collect();
    let mut ahead: Vec<&str> = Vec::new();
    let mut hops = 0;
    read(target, &mut ahead)?;
    while let Some(part) = ahead.pop() {
        match part {
            "" | "." => {}
            ".." => {
                place.pop().ok_or("leaves its tree")?;
            }
            name => {
                place.push(name);
                if let Some(EntryKind::Link { target }) = tree.entry(&place.join("/")).map(|entry| &entry.kind) {
                    hops += 1;
                    if hops > MOST_HOPS {
                        // A ring, which leads nowhere: harmless, and kept as it is written.
                        return Ok(());
                    }
                    place.pop();
                    read(target, &mut ahead)?;
                }
            }
        }
    }
    Ok(())
}

fn read<'a>(target: &'a str, ahead: &mut Vec<&'a str>) -> Result<(), &'static str> {
    if target.is_empty() || target.contains('\0') {
        return Err("points to nothing");
    }
    if target.starts_with('/') {
        return Err("is absolute");
    }
    ahead.extend(target.rsplit('/'));
    Ok(())
}
