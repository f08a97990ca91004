//! The lists that a sync names, held against those that the application has (E5.4).

use std::ops::Range;

use syncline_core::{ListId, Side};
use syncline_runner::{ListKind, MemberList};
use toml::Spanned;

use super::Sync;
use super::mistake::{Mistake, neighbour, shown};

/// Returns the lists of `side` that there are not, and an inclusion list that is kept by hand.
pub fn validate(sync: &Sync, side: Side, known: &[MemberList]) -> Vec<Mistake> {
    let inclusion = sync.scope.list.as_ref().filter(|list| list.get_ref().side == side);
    let mut mistakes = Vec::new();
    for (id, place) in named(sync, side) {
        match known.iter().find(|list| list.id == id) {
            None => {
                let message = format!("there is no list {} in {}", shown(id.as_str()), sync.endpoint(side));
                let mend = neighbour(id.as_str(), known.iter().map(|list| list.id.as_str()), "there are");
                mistakes.push(Mistake::new(&place, message).mend(mend));
            }
            Some(list) if list.kind == ListKind::Fixed && inclusion.is_some_and(|own| own.span() == place) => {
                let message = format!(
                    "the list {} ({}) is kept by hand: what a sync creates would never come into it by itself",
                    shown(id.as_str()),
                    shown(&list.label)
                );
                let mend = "name a list that the application keeps by a rule, or use `member of` in a filter";
                mistakes.push(Mistake::new(&place, message).mend(mend));
            }
            Some(_) => {}
        }
    }
    mistakes
}

/// Every list that the sync names on `side`, and where.
fn named(sync: &Sync, side: Side) -> Vec<(ListId, Range<usize>)> {
    let inclusion = sync.scope.list.iter().filter(|list| list.get_ref().side == side);
    let inclusion = inclusion.map(|list: &Spanned<_>| (list.get_ref().id.clone(), list.span()));
    let filtered = sync.scope.filter(side).into_iter().flat_map(|filter| filter.lists());
    inclusion.chain(filtered).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    #[test]
    fn e5_4_only_lists_that_there_are_and_that_the_application_keeps_by_a_rule() {
        let list = |id: &str, kind| MemberList { id: ListId::new(id), label: format!("The {id}"), kind };
        let known = [list("42", ListKind::Dynamic), list("43", ListKind::Fixed)];
        let told = |scope: &str| {
            let text = format!(
                "[connections.a]\nconnector = \"x\"\n[connections.b]\nconnector = \"x\"\n[syncs.s]\nleft = {{ connection = \
                 \"a\", object = \"contacts\" }}\nright = {{ connection = \"b\", object = \"contacts\" }}\n{scope}\n"
            );
            let config = parse(text, Path::new("syncline.toml")).expect("it is well");
            let of = |side| validate(&config.syncs[0], side, &known).into_iter().map(|mistake| mistake.message);
            of(Side::Left).collect::<Vec<_>>()
        };
        let nothing = Vec::<String>::new();
        assert_eq!(told("list = { side = \"left\", id = \"42\" }"), nothing);
        assert_eq!(told("filter = { left = \"member of '43'\" }"), nothing, "a filter may ask for any list");
        assert_eq!(told("list = { side = \"right\", id = \"7\" }"), nothing, "that is another application's");
        assert_eq!(told("filter = { left = \"member of '44'\" }"), ["there is no list `44` in a.contacts"]);
        assert_eq!(
            told("list = { side = \"left\", id = \"43\" }"),
            ["the list `43` (`The 43`) is kept by hand: what a sync creates would never come into it by itself"]
        );
    }
}
