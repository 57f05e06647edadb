//! Tiles of filters: which filters a workgroup finishes, and which bases they read.

use std::collections::BTreeSet;

use crate::method::problem::Problem;

/// Filters in the order in which tiles finish them.
pub(super) struct FilterTiles {
    rows_per_tile: usize,
    tiles: Vec<FilterTile>,
}

struct FilterTile {
    group: u32,
    bases: Vec<i32>,
    /// Their places among all bases, group after group.
    places: Vec<usize>,
    filters: Vec<Filter>,
}

/// A filter of a tile, and which of the tile's rows its taps read, of one or two segments.
struct Filter {
    index: u32,
    rows: Vec<usize>,
}

impl Filter {
    fn first_row(&self) -> usize {
        self.rows.iter().copied().min().unwrap_or(0)
    }

    fn last_row(&self) -> usize {
        self.rows.iter().copied().max().unwrap_or(0)
    }
}

impl FilterTiles {
    /// Filters that begin near each other share a tile as long as it has rows for their bases. `None` where one filter
    /// reads more.
    pub(super) fn new(problem: &Problem, rows_per_tile: usize) -> Option<Self> {
        let sharing = problem.sharing();
        let terms = problem.bases().neighbours * problem.placement().window().taps();
        let filters_a_group = problem.out_channels() / problem.conv().groups;
        let mut tiles = Vec::new();
        for (group, bases) in sharing.groups().iter().enumerate() {
            let rows_of = |filter: usize| &sharing.rows()[filter * terms..][..terms];
            let of_group = group * filters_a_group..(group + 1) * filters_a_group;
            let mut filters: Vec<usize> = of_group.collect();
            filters.sort_by_key(|&filter| (rows_of(filter).iter().min(), rows_of(filter).iter().max()));
            let mut rest = filters.as_slice();
            while !rest.is_empty() {
                let mut rows = BTreeSet::new();
                let mut taken = 0;
                while let Some(&filter) = rest.get(taken).filter(|_| taken < rows_per_tile) {
                    let added: BTreeSet<u32> = rows_of(filter).iter().copied().collect();
                    if rows.union(&added).count() > rows_per_tile {
                        break;
                    }
                    rows.extend(added);
                    taken += 1;
                }
                if taken == 0 {
                    return None;
                }
                let rows: Vec<u32> = rows.into_iter().collect();
                let place = |row: &u32| rows.partition_point(|other| other < row);
                let of_tile = rest[..taken]
                    .iter()
                    .map(|&filter| Filter { index: filter as u32, rows: rows_of(filter).iter().map(place).collect() });
                let mut of_tile: Vec<Filter> = of_tile.collect();
                of_tile.sort_by_key(Filter::last_row);
                let of_rows = rows.iter().map(|&row| bases[row as usize]).collect();
                let places = rows.iter().map(|&row| sharing.first_base(group) + row as usize).collect();
                tiles.push(FilterTile { group: group as u32, bases: of_rows, places, filters: of_tile });
                rest = &rest[taken..];
            }
        }
        Some(Self { rows_per_tile, tiles })
    }

    pub(super) fn count(&self) -> usize {
        self.tiles.len()
    }

    /// Rows of products that must be kept for the filters that are finished, where `1..=most` times `lanes` of them
    /// come at a time.
    pub(super) fn windows(&self, lanes: usize, most: usize) -> Vec<usize> {
        let needed = |step: usize| {
            let filters = self.tiles.iter().flat_map(|tile| &tile.filters);
            let of_filter = |filter: &Filter| (filter.last_row() / step + 1) * step - filter.first_row();
            filters.map(of_filter).max().unwrap_or(0).max(step)
        };
        (1..=most).map(|rows| needed(rows * lanes)).collect()
    }

    /// Of every row of every tile; what a tile has too many are its last.
    pub(super) fn bases(&self) -> impl Iterator<Item = u32> {
        self.tiles.iter().flat_map(|tile| {
            let last = tile.bases.last().copied().unwrap_or(0);
            (0..self.rows_per_tile).map(move |row| tile.bases.get(row).copied().unwrap_or(last) as u32)
        })
    }

    /// The same as places among all bases.
    pub(super) fn base_places(&self) -> impl Iterator<Item = usize> {
        self.tiles
            .iter()
            .flat_map(|tile| (0..self.rows_per_tile).map(|row| tile.places[row.min(tile.places.len() - 1)]))
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = u32> {
        self.tiles.iter().map(|tile| tile.group)
    }

    /// Where in the list of filters those begin that are finished when `lanes` rows have come, twice as many, and so on
    /// to the last, which is the end of the tile's.
    pub(super) fn finished(&self, lanes: usize) -> Vec<u32> {
        let mut all = Vec::new();
        let mut first = 0;
        for tile in &self.tiles {
            let before = |rows: usize| tile.filters.partition_point(|filter| filter.last_row() < rows);
            all.extend((0..=self.rows_per_tile).step_by(lanes).map(|rows| (first + before(rows)) as u32));
            first += tile.filters.len();
        }
        all
    }

    /// The filter at every place.
    pub(super) fn filters(&self) -> impl Iterator<Item = u32> {
        self.tiles.iter().flat_map(|tile| &tile.filters).map(|filter| filter.index)
    }

    /// Which row of its filter's tile every tap of every filter reads, `[O, neighbours, T]`.
    pub(super) fn rows(&self) -> Vec<u32> {
        let mut filters: Vec<&Filter> = self.tiles.iter().flat_map(|tile| &tile.filters).collect();
        filters.sort_by_key(|filter| filter.index);
        filters.into_iter().flat_map(|filter| filter.rows.iter().map(|&row| row as u32)).collect()
    }
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::conv2d::Conv2d;
    use crate::method::placement::Placement;

    fn tiles(placement: &Placement, rows: usize) -> FilterTiles {
        let problem = Problem::new(placement, Conv2d::padded(1), [1, 8, 8]).unwrap();
        FilterTiles::new(&problem, rows).unwrap()
    }

    #[test]
    fn neighbouring_bases_are_kept_until_the_last_is_there() {
        let neighbouring = tiles(&Placement::tap_major(128, 4, 3, 3, 4).unwrap(), 72);
        assert_eq!(neighbouring.count(), 2);
        // Filter 0 reads rows 0 to 8: after two steps of 8, and all of these.
        assert_eq!(neighbouring.windows(8, 2), [16, 24]);
        let of_tile = |first: u32| [0, 0, 8, 16, 24, 32, 40, 48, 56, 64].map(|filters| first + filters);
        assert_eq!(neighbouring.finished(8), [of_tile(0), of_tile(64)].concat());
        let one_base = tiles(&Placement::one_base(64, 4, 3, 3, 4).unwrap(), 64);
        assert_eq!((one_base.count(), one_base.windows(8, 2)), (1, vec![8, 16]));
        assert!(one_base.filters().eq(0..64));
    }

    #[test]
    fn filters_that_read_too_much_have_no_tile() {
        let placement = Placement::tap_major(4, 4, 3, 3, 36).unwrap();
        let problem = Problem::new(&placement, Conv2d::padded(1), [1, 8, 8]).unwrap();
        assert!(FilterTiles::new(&problem, 8).is_none());
        assert_eq!(FilterTiles::new(&problem, 9).unwrap().count(), 4);
    }
}
