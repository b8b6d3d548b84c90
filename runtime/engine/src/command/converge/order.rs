//! In which order wishes are brought about: what provides comes before what consumes it.

use super::{Wish, record_loaded};
use crate::command::{Tools, manifest_of, read, summaries};
use crate::dependency::choose;
use crate::{EngineError, Loaded};
use relrun_manifest::Manifest;
use std::collections::BTreeSet;

/// A wish, with the wishes before it that it depends on.
pub(super) struct Ordered {
    pub(super) wish: Wish,
    /// Places in the order.
    pub(super) after: Vec<usize>,
    /// It depends on one that depends on it.
    pub(super) circle: bool,
}

/// What a package gives to others and takes from them.
#[derive(Clone, Debug, Default)]
struct Roles {
    provides: BTreeSet<String>,
    consumes: BTreeSet<String>,
}

/// Puts wishes in order; where nothing says which is first, they stay as they are in the file.
pub(super) async fn order(tools: &Tools<'_>, loaded: &Loaded, wishes: Vec<Wish>) -> Result<Vec<Ordered>, EngineError> {
    let mut roles = Vec::new();
    for wish in &wishes {
        roles.push(roles_of(tools, loaded, wish).await?);
    }
    let places: Vec<&str> = wishes.iter().map(|wish| wish.place.environment.as_str()).collect();
    let before = |at: usize| {
        let gives =
            |other: &usize| *other != at && places[*other] == places[at] && !roles[*other].provides.is_disjoint(&roles[at].consumes);
        (0..wishes.len()).filter(gives).collect::<Vec<_>>()
    };
    let order = sorted(&(0..wishes.len()).map(before).collect::<Vec<_>>());
    let place_of = |wish: usize| order.iter().position(|(at, _)| *at == wish);
    let mut ordered = Vec::new();
    for (place, (at, circle)) in order.iter().enumerate() {
        let after = before(*at).into_iter().filter_map(place_of).filter(|other| *other < place).collect();
        ordered.push(Ordered { wish: wishes[*at].clone(), after, circle: *circle });
    }
    Ok(ordered)
}

/// Sorts by what must be before each; the first that may go goes first. Of a circle every member is told.
fn sorted(before: &[Vec<usize>]) -> Vec<(usize, bool)> {
    let mut order: Vec<(usize, bool)> = Vec::with_capacity(before.len());
    let mut left: Vec<usize> = (0..before.len()).collect();
    while !left.is_empty() {
        let free = left.iter().position(|at| before[*at].iter().all(|other| !left.contains(other)));
        match free {
            Some(free) => order.push((left.remove(free), false)),
            None => order.extend(left.drain(..).map(|at| (at, true))),
        }
    }
    order
}

async fn roles_of(tools: &Tools<'_>, loaded: &Loaded, wish: &Wish) -> Result<Roles, EngineError> {
    let summaries = summaries(&tools.workspace, &wish.package)?;
    if let Some(chosen) = choose(&tools.workspace, &summaries, &wish.package, &wish.version)? {
        let record = read(&tools.workspace, &wish.package, chosen)?;
        return Ok(Roles::of(&record_loaded(&tools.workspace, loaded, &record)?.manifest));
    }
    // What cannot be found or read is told when it is its turn.
    match tools.find_package(&wish.package, &wish.version).await {
        Ok(Some(package)) => Ok(manifest_of(&tools.workspace, &package).map(|loaded| Roles::of(&loaded.manifest)).unwrap_or_default()),
        Ok(None) | Err(_) => Ok(Roles::default()),
    }
}

impl Roles {
    fn of(manifest: &Manifest) -> Self {
        let provides = manifest.provides.iter().map(|provides| provides.interface.value.clone()).collect();
        let consumes = manifest.consumes.iter().map(|consumes| consumes.interface.value.clone()).collect();
        Self { provides, consumes }
    }
}

#[cfg(test)]
mod tests {
    use super::sorted;

    #[test]
    fn what_provides_comes_first_and_the_file_decides_the_rest() {
        assert_eq!(sorted(&[vec![], vec![], vec![]]), [(0, false), (1, false), (2, false)]);
        assert_eq!(sorted(&[vec![2], vec![], vec![1]]), [(1, false), (2, false), (0, false)]);
    }

    #[test]
    fn a_circle_is_told_of_all_its_members_and_of_what_waits_for_them() {
        assert_eq!(sorted(&[vec![1], vec![0], vec![], vec![0]]), [(2, false), (0, true), (1, true), (3, true)]);
    }
}
