//! Learned positions in a placement: the segments of a filter, and the derivative of its weights by its position.

use super::{Boundary, Placement};
use crate::method::starts::{Segments, Starts};

impl Placement {
    /// The segments that a filter with a learned position is blended from.
    pub(crate) fn segments(&self, filter: usize) -> Option<Segments> {
        let Starts::Learned { positions, unit, .. } = &self.starts else { return None };
        positions.get(filter).map(|&position| Segments::at(position, *unit))
    }

    /// The segments whose difference, second minus first, is the derivative of a filter's weights by its learned
    /// position, before gains: the one rule that every executor has ([`Segments::slope`]). A segment is there where it
    /// lies in the summary, or the boundary says what lies outside.
    pub(crate) fn slope(&self, filter: usize) -> Option<Segments> {
        let Starts::Learned { length, positions, unit } = &self.starts else { return None };
        let (low, high) = self.window.reach();
        let inside = |start: i64| start + low >= 0 && start + high < *length as i64;
        let exists = |start: i64| self.boundary != Boundary::None || inside(start);
        positions.get(filter).map(|&position| Segments::slope(position, *unit, exists))
    }

    /// Index of weight `(channel, tap)` of a filter that starts at `start` of a rank-1 summary.
    pub(crate) fn index_from(&self, start: i64, channel: usize, tap: usize) -> Option<usize> {
        let offset = channel as i64 * self.window.channel_stride() + self.window.tap_offsets()[tap];
        self.inside(start, offset, self.length())
    }
}

#[cfg(test)]
mod tests {
    use super::{Boundary, Placement, Starts};
    use crate::Window;

    /// A window of two values in a summary of `length`, at one position, in units of 3: both starts and the fraction.
    fn slope(length: usize, position: f32, boundary: Boundary) -> ([i64; 2], f32) {
        let starts = Starts::Learned { length, positions: vec![position], unit: 3 };
        let placement = Placement::new(Window::tap_major(1, 1, 2).unwrap(), starts, boundary).unwrap();
        let slope = placement.slope(0).unwrap();
        (slope.starts, slope.fraction)
    }

    #[test]
    fn whole_positions_have_the_derivative_on_the_right_if_there_is_one() {
        let none = Boundary::None;
        assert_eq!(slope(8, 1.25, none), ([3, 6], 0.25));
        assert_eq!(slope(8, 1.0, none), ([3, 6], 0.0));
        assert_eq!(slope(8, 2.0, none), ([3, 6], 1.0));
        assert_eq!(slope(7, 1.0, none), ([0, 3], 1.0));
        // There is only one place.
        assert_eq!(slope(3, 0.0, none), ([0, 0], 0.0));
        for boundary in [Boundary::Zero, Boundary::Wrap] {
            assert_eq!(slope(8, 2.0, boundary), ([6, 9], 0.0));
            assert_eq!(slope(3, -7.0, boundary), ([-21, -18], 0.0));
        }
        let fixed = Placement::tap_major(2, 1, 1, 2, 1).unwrap();
        assert!(fixed.slope(0).is_none() && fixed.segments(0).is_none());
    }
}
