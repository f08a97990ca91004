//! Times of changes on their way through a cursor: an id with the time that a listing gave, `a.vcf,6921c0d04fe1`.
//!
//! Invariant: a time is only given to a card with the etag that it was listed with.

use std::collections::HashMap;

use syncline_sdk::record::Row;
use syncline_sdk::value::Instant;

use super::buckets;
use crate::api::Listed;

/// What parts an id from its mark; it is escaped in ids.
const SEPARATOR: char = ',';

/// Hexadecimal digits of the digest of an etag.
const DIGEST_DIGITS: usize = 4;

/// A listed id, with its mark where the server told a time.
pub(super) fn mark(listed: &Listed) -> String {
    let seconds = listed.modified_at.and_then(|at_ms| u64::try_from(at_ms / 1_000).ok());
    match seconds {
        Some(seconds) => format!("{}{SEPARATOR}{seconds:x}{}", listed.id, digest(listed.etag.as_deref())),
        None => listed.id.clone(),
    }
}

/// The id of a marked id.
pub(super) fn id(marked: &str) -> &str {
    marked.split(SEPARATOR).next().unwrap_or_default()
}

/// Gives the rows that have no time those of `marked`.
pub(super) fn fill(marked: &[String], rows: &mut [Row]) {
    let marks: HashMap<&str, &str> = marked.iter().filter_map(|marked| marked.split_once(SEPARATOR)).collect();
    for row in rows.iter_mut().filter(|row| row.modified_at.is_none()) {
        let mark = marks.get(row.id.as_str());
        let seconds = mark.and_then(|mark| mark.strip_suffix(&digest(row.version.as_deref())));
        row.modified_at = seconds.and_then(|seconds| Instant::from_str_radix(seconds, 16).ok()?.checked_mul(1_000));
    }
}

fn digest(etag: Option<&str>) -> String {
    let digest = buckets::hash(&[etag.unwrap_or_default().as_bytes()]) & ((1 << (4 * DIGEST_DIGITS)) - 1);
    format!("{digest:0DIGEST_DIGITS$x}")
}
