use proptest::prelude::*;
use std::collections::BTreeMap;

use super::buckets::Buckets;
use super::*;

type Book = BTreeMap<String, Option<String>>;

fn listed(book: &Book) -> Vec<(String, Option<String>)> {
    book.iter().map(|(id, etag)| (id.clone(), etag.clone())).collect()
}

#[test]
fn a_cursor_of_a_large_book_fits_the_limit() {
    let ids: Vec<String> = (0..100_000).map(|at| format!("3f2504e0-4f89-11d3-9a0c-{at:012}.vcf")).collect();
    let book: Book = ids.iter().map(|id| (id.clone(), Some("\"1\"".to_owned()))).collect();
    let listing = Listing { buckets: Buckets::of(&listed(&book)), ctag: Some("1".repeat(100)), part: None };
    let queue = Queue::new(&ids[0], &ids[1..]);
    assert!(queue.more);
    let cursor = Cursor::Full { then: Box::new(Cursor::Listing(listing)), queue };
    let text = encode(&cursor);
    assert!(text.len() <= 64 * 1024, "{}", text.len());
    assert_eq!(serde_json::from_str::<Cursor>(&text).expect("it was written above"), cursor);
}

#[test]
fn a_queue_gives_every_id_once_and_in_order() {
    let all: Vec<String> = (0..9_000).map(|at| format!("{at:05}-a-name-of-some-length.vcf")).collect();
    let (mut seen, mut listings) = (Vec::new(), 1);
    let mut queue = Queue { next: all.join(" "), ..Queue::default() };
    loop {
        let (mut ids, more) = queue
            .ids(|| {
                listings += 1;
                Ok(all.clone())
            })
            .expect("listing cannot fail here");
        let rest = Queue::rest(&mut ids, 500, more);
        seen.extend(ids);
        match rest {
            Some(next) => queue = next,
            None => break,
        }
    }
    assert_eq!(seen, all);
    assert!(listings <= 6, "{listings}");
}

proptest! {
    #[test]
    fn changed_buckets_hold_every_change_whatever_the_limit(
        before in prop::collection::btree_map("[a-f]{1,3}", prop::option::of("[0-9]"), 0..200),
        edits in prop::collection::vec(("[a-f]{1,3}", prop::option::of(prop::option::of("[0-9]")), 0_usize..3), 0..30),
        limit in 1_usize..40,
    ) {
        // Edits with a delay come between two pages.
        let mut book = before.clone();
        let mut edits = edits;
        let apply = |book: &mut Book, when: usize, edits: &mut Vec<(String, Option<Option<String>>, usize)>| {
            edits.retain(|(id, etag, delay)| {
                if *delay > when { return true; }
                match etag { Some(etag) => { book.insert(id.clone(), etag.clone()); } None => { book.remove(id); } }
                false
            });
        };
        let mut buckets = Buckets::of(&listed(&before));
        let (mut replica, mut part) = (before, None);
        for page in 0..1_000 {
            apply(&mut book, page, &mut edits);
            let selected = buckets.changed(&listed(&book), part.take(), limit);
            prop_assert!(selected.ids.len() <= limit);
            for id in &selected.ids {
                replica.insert(id.clone(), book[id].clone());
            }
            // The cursor goes through text.
            buckets = Buckets::try_from(String::from(selected.buckets)).expect("it was written as text");
            part = selected.part;
            if !selected.is_more && edits.is_empty() { break; }
            prop_assert!(page < 999, "it does not end");
        }
        replica.retain(|id, _| book.contains_key(id));
        prop_assert_eq!(replica, book);
    }
}

#[test]
fn text_that_is_no_cursor_expires() {
    let collection = Collection::new("/ab/");
    for text in ["", "{}", "x", r#"{"listing":{"buckets":"AAA","ctag":null,"part":null}}"#, r#"{"ids":{"after":"x"}}"#]
    {
        let request = Request { collection: &collection, fields: &[], cursor: Some(text), limit: 1 };
        assert!(matches!(request.changes(), Err(Fault::CursorExpired(_))), "{text}");
        assert!(matches!(request.full(), Err(Fault::CursorExpired(_))), "{text}");
    }
}
