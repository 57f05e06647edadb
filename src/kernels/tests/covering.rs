//! Covering lists: few variants in which every two values of two axes stand together once.

use std::collections::HashSet;

/// A value of one axis beside a value of another.
type Pair = [(usize, usize); 2];

/// Variants of a kernel whose axes have as many values as `sizes` say. `make` makes one of an index an axis;
/// `None` where no plan asks for such a one. Every pair of values that some variant has is in one of those returned:
/// a fault that one part, or one part beside one other, is to blame for shows in one of them.
pub(in crate::kernels) fn covering<T>(sizes: &[usize], make: impl Fn(&[usize]) -> Option<T>) -> Vec<T> {
    let mut all: Vec<Vec<usize>> = vec![Vec::new()];
    for &size in sizes {
        all = all.into_iter().flat_map(|of| (0..size).map(move |value| [&of[..], &[value]].concat())).collect();
    }
    all.retain(|indices| make(indices).is_some());
    let mut missing: HashSet<Pair> = all.iter().flat_map(|indices| pairs(indices)).collect();
    let mut chosen = Vec::new();
    // How many a variant adds can only fall: one that was found to add more than all others may do now is the best.
    let mut most: Vec<(usize, usize)> = all.iter().map(|indices| pairs(indices).count()).zip(0..).collect();
    while !missing.is_empty() {
        most.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut best = (0, 0);
        for entry in &mut most {
            if entry.0 <= best.0 {
                break;
            }
            entry.0 = pairs(&all[entry.1]).filter(|pair| missing.contains(pair)).count();
            if entry.0 > best.0 {
                best = *entry;
            }
        }
        let indices = &all[best.1];
        pairs(indices).for_each(|pair| _ = missing.remove(&pair));
        chosen.extend(make(indices));
    }
    chosen
}

fn pairs(indices: &[usize]) -> impl Iterator<Item = Pair> {
    (0..indices.len()).flat_map(move |a| (0..a).map(move |b| [(b, indices[b]), (a, indices[a])]))
}

#[test]
fn every_pair_is_covered_and_few_variants_are_enough() {
    let sizes = [3, 4, 2, 5];
    let allowed = |indices: &[usize]| (indices[0] != 2 || indices[1] != 3).then(|| indices.to_vec());
    let found = covering(&sizes, allowed);
    assert!((20..30).contains(&found.len()), "{}", found.len());
    for a in 0..4 {
        for b in 0..a {
            for (x, y) in (0..sizes[a]).flat_map(|x| (0..sizes[b]).map(move |y| (x, y))) {
                let has = found.iter().any(|indices| indices[a] == x && indices[b] == y);
                assert_eq!(has, !(a == 1 && x == 3 && y == 2), "axes {b}, {a}: {y}, {x}");
            }
        }
    }
}
