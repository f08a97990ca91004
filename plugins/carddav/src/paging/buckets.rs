//! A listing as a few digests: which part of it has changed can be told without keeping it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Buckets that a digest has at the most: 16 KiB of cursor.
const BUCKETS_MAX: usize = 2048;

/// Cards that one bucket is to hold, while there may be more buckets.
const CARDS_PER_BUCKET: usize = 4;

/// Bits of a digest that are kept: eight letters of 64.
const DIGEST_BITS: u32 = 48;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// One member of a listing: its id and its etag.
pub(crate) type Listed = (String, Option<String>);

/// The digests of all buckets; a card's bucket is chosen by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Buckets(Vec<u64>);

/// The next cards to read, and the digests once they are read.
pub(super) struct Selected {
    /// The ids to read.
    pub(super) ids: Vec<String>,
    /// The digests, with those of the buckets that are then read.
    pub(super) buckets: Buckets,
    /// A bucket that was begun: where it stopped, and its digest when it was begun.
    pub(super) part: Option<(usize, String, u64)>,
    /// True if there are further changes.
    pub(super) is_more: bool,
}

impl Buckets {
    /// The digests of a listing.
    pub(super) fn of(listed: &[Listed]) -> Buckets {
        let count = (listed.len() / CARDS_PER_BUCKET).next_power_of_two().clamp(16, BUCKETS_MAX);
        Buckets(digests(listed, count))
    }

    /// Selects, of a later listing, the cards of the buckets that have changed.
    pub(super) fn changed(&self, listed: &[Listed], part: Option<(usize, String, u64)>, limit: usize) -> Selected {
        let now = digests(listed, self.0.len());
        let mut members: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for (id, _) in listed {
            members.entry(bucket(id, self.0.len())).or_default().push(id);
        }
        let mut selected = Selected { ids: Vec::new(), buckets: self.clone(), part: None, is_more: false };
        // The bucket that was begun comes first: were another one to fill the page, that it was begun would be forgotten,
        // and what was read of it stand for ever if it changes back.
        let first = part.as_ref().map(|(at, _, _)| *at).filter(|at| *at < now.len());
        for at in first.into_iter().chain((0..now.len()).filter(|at| Some(*at) != first)) {
            let digest_now = now[at];
            let begun = part.as_ref().filter(|(begun, _, _)| *begun == at);
            // A bucket that was begun is read to its end, even if it has changed back meanwhile.
            if digest_now == self.0[at] && begun.is_none() {
                continue;
            }
            let mut ids = members.remove(&at).unwrap_or_default();
            if let Some((_, after, _)) = begun {
                ids.retain(|id| *id > after.as_str());
            }
            let digest = begun.map_or(digest_now, |(_, _, digest)| *digest);
            let room = limit - selected.ids.len();
            if ids.len() > room {
                selected.is_more = true;
                if room > 0 {
                    selected.ids.extend(ids[..room].iter().map(|id| (*id).to_owned()));
                    selected.part = Some((at, ids[room - 1].to_owned(), digest));
                }
                return selected;
            }
            selected.ids.extend(ids.into_iter().map(str::to_owned));
            selected.buckets.0[at] = digest;
        }
        // A bucket that changed while it was read in parts differs from the digest it was begun with.
        selected.is_more = selected.buckets.0 != now;
        selected
    }
}

fn digests(listed: &[Listed], count: usize) -> Vec<u64> {
    let mut digests = vec![0_u64; count];
    for (id, etag) in listed {
        let member = hash(&[id.as_bytes(), &[0], etag.as_deref().unwrap_or_default().as_bytes()]);
        let digest = &mut digests[bucket(id, count)];
        // A sum does not depend on the order of the listing.
        *digest = digest.wrapping_add(member) & ((1 << DIGEST_BITS) - 1);
    }
    digests
}

fn bucket(id: &str, count: usize) -> usize {
    let spread = hash(&[id.as_bytes()]) % count as u64;
    usize::try_from(spread).expect("it is below the number of buckets")
}

/// FNV-1a, with its bits spread at the end.
pub(super) fn hash(parts: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.iter().copied().flatten() {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

impl From<Buckets> for String {
    fn from(buckets: Buckets) -> String {
        let letter = |digest: u64, at: u32| char::from(LETTERS[(digest >> (6 * at) & 63) as usize]);
        buckets.0.iter().flat_map(|&digest| (0..DIGEST_BITS / 6).map(move |at| letter(digest, at))).collect()
    }
}

impl TryFrom<String> for Buckets {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Buckets, Self::Error> {
        let digits: Option<Vec<u64>> = text
            .bytes()
            .map(|letter| LETTERS.iter().position(|&known| known == letter).and_then(|at| u64::try_from(at).ok()))
            .collect();
        let digits = digits.ok_or("a digest holds letters of base 64 only")?;
        let (chunks, rest) = digits.as_chunks::<8>();
        if !rest.is_empty() || chunks.is_empty() || chunks.len() > BUCKETS_MAX {
            return Err("a digest has eight letters for each bucket");
        }
        Ok(Buckets(
            chunks.iter().map(|chunk| chunk.iter().rev().fold(0, |digest, digit| digest << 6 | digit)).collect(),
        ))
    }
}
