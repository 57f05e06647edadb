//! Which value of the summary every weight is: what burn's own operations select and scatter by.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::Backend;
use burn::backend::tensor::{Device, IntTensor};
use burn::tensor::TensorData;
use filter_summary::{Boundary, Placement, Starts};

/// The index in the summary of every weight, `[O, C/groups, KH, KW]`; L, one past the last, where there is none and
/// the weight is zero.
#[derive(Debug)]
pub(crate) struct IndexTable {
    /// Of fixed starts, or of the first of the two segments that learned positions are between.
    pub(crate) first: Vec<i32>,
    pub(crate) blend: Option<Blend>,
    /// Whether any index is L.
    pub(crate) has_outside: bool,
    length: usize,
}

/// The weights that every value of the summary is, as many of each as the value with the most has: where there are
/// fewer, the rest is one past the last weight.
#[derive(Debug)]
pub(crate) struct Uses {
    /// `[L, most]`.
    weights: Vec<i32>,
    most: usize,
}

/// What learned positions have besides.
#[derive(Debug)]
pub(crate) struct Blend {
    /// Of the second segments.
    pub(crate) next: Vec<i32>,
    /// `[O]`: how much of a filter comes from the second segment.
    pub(crate) fractions: Vec<f32>,
}

impl IndexTable {
    pub(crate) fn new(placement: &Placement) -> Self {
        let outside = placement.length();
        let indices = |at: &dyn Fn(usize, usize, usize) -> Option<usize>| -> Vec<i32> {
            let (channels, taps) = (placement.window().channels(), placement.taps());
            let weight = |at: usize| (at / (channels * taps), at / taps % channels, at % taps);
            let weights = (0..placement.filters() * channels * taps).map(weight);
            // Summaries are shorter than 2^31.
            weights.map(|(filter, channel, tap)| at(filter, channel, tap).unwrap_or(outside) as i32).collect()
        };
        let (first, blend) = match segments(placement) {
            None => (indices(&|filter, channel, tap| placement.index(filter, channel, tap)), None),
            Some(segments) => {
                let of = |which: usize| {
                    indices(&|filter, channel, tap| {
                        let offset = channel as i64 * placement.window().channel_stride();
                        let start = segments[filter].starts[which];
                        inside(placement, start + offset + placement.window().tap_offsets()[tap])
                    })
                };
                let fractions = segments.iter().map(|segments| segments.fraction).collect();
                (of(0), Some(Blend { next: of(1), fractions }))
            }
        };
        let is_outside = |indices: &[i32]| indices.iter().any(|&index| index as usize == outside);
        let has_outside = is_outside(&first) || blend.as_ref().is_some_and(|blend| is_outside(&blend.next));
        Self { first, blend, has_outside, length: outside }
    }
}

impl Uses {
    /// Of indices of a summary of `length`; `None` where a few values are so many weights that the table would be
    /// several times as large as the filters.
    fn new(indices: &[i32], length: usize) -> Option<Self> {
        let inside = || indices.iter().enumerate().filter(|&(_, &index)| (index as usize) < length);
        let mut counts = vec![0; length];
        inside().for_each(|(_, &index)| counts[index as usize] += 1);
        let most = counts.iter().copied().max().unwrap_or(0).max(1);
        if length.saturating_mul(most) > indices.len().saturating_mul(4) {
            return None;
        }
        let mut weights = vec![indices.len() as i32; length * most];
        counts.fill(0);
        for (weight, &index) in inside() {
            let index = index as usize;
            weights[index * most + counts[index]] = weight as i32;
            counts[index] += 1;
        }
        Some(Self { weights, most })
    }
}

/// The two segments that a filter with a learned position is blended from.
struct Segments {
    starts: [i64; 2],
    /// How much comes from the second.
    fraction: f32,
}

/// Those of every filter, where positions are learned. Their difference is the derivative by the position; so at a
/// whole one, where either neighbour would do for the blend, it is the next if the summary has it, else the one before.
fn segments(placement: &Placement) -> Option<Vec<Segments>> {
    let Starts::Learned { positions, unit, .. } = placement.starts() else { return None };
    let (low, high) = placement.window().reach();
    let exists = |start: i64| {
        let ends = [start + low, start + high].map(|end| usize::try_from(end).unwrap_or(usize::MAX));
        placement.boundary() != Boundary::None || ends.iter().all(|&end| end < placement.length())
    };
    let unit = *unit as i64;
    let of = |(filter, &position): (usize, &f32)| match placement.fraction(filter) {
        // A position just below a whole one may count for that.
        0.0 => {
            let start = f64::from(position).round() as i64 * unit;
            if exists(start + unit) {
                Segments { starts: [start, start + unit], fraction: 0.0 }
            } else if exists(start - unit) {
                Segments { starts: [start - unit, start], fraction: 1.0 }
            } else {
                Segments { starts: [start, start], fraction: 0.0 }
            }
        }
        fraction => {
            let start = f64::from(position).floor() as i64 * unit;
            Segments { starts: [start, start + unit], fraction }
        }
    };
    Some(positions.iter().enumerate().map(of).collect())
}

/// An index of a summary of rank 1, by the boundary's rule.
fn inside(placement: &Placement, index: i64) -> Option<usize> {
    let length = placement.length();
    let index = if placement.boundary() == Boundary::Wrap { index.rem_euclid(length as i64) } else { index };
    usize::try_from(index).ok().filter(|&index| index < length)
}

/// The tables as tensors of the backends and devices that asked for them.
#[derive(Debug, Default)]
pub(crate) struct OnDevices(Mutex<Vec<Box<dyn Any + Send>>>);

/// The indices of a table on a device.
#[derive(Debug)]
pub(crate) struct DeviceTable<B: Backend> {
    device: Device<B>,
    pub(crate) first: IntTensor<B>,
    pub(crate) next: Option<IntTensor<B>>,
}

/// The uses of a table's indices on a device.
#[derive(Debug)]
pub(crate) struct DeviceUses<B: Backend> {
    device: Device<B>,
    pub(crate) first: Option<DeviceUse<B>>,
    pub(crate) next: Option<DeviceUse<B>>,
}

/// [`Uses`] on a device.
#[derive(Debug)]
pub(crate) struct DeviceUse<B: Backend> {
    /// `[L * most]`.
    pub(crate) weights: IntTensor<B>,
    pub(crate) most: usize,
}

impl OnDevices {
    pub(crate) fn table<B: Backend>(&self, table: &IndexTable, device: &Device<B>) -> Arc<DeviceTable<B>> {
        let make = || DeviceTable::<B> {
            device: device.clone(),
            first: upload::<B>(&table.first, device),
            next: table.blend.as_ref().map(|blend| upload::<B>(&blend.next, device)),
        };
        self.find_or(|made| made.device == *device, make)
    }

    pub(crate) fn uses<B: Backend>(&self, table: &IndexTable, device: &Device<B>) -> Arc<DeviceUses<B>> {
        let of = |indices: &[i32]| {
            let uses = Uses::new(indices, table.length)?;
            Some(DeviceUse { weights: upload::<B>(&uses.weights, device), most: uses.most })
        };
        let make = || DeviceUses::<B> {
            device: device.clone(),
            first: of(&table.first),
            next: table.blend.as_ref().and_then(|blend| of(&blend.next)),
        };
        self.find_or(|made| made.device == *device, make)
    }

    fn find_or<T: Any + Send + Sync>(&self, is_it: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> Arc<T> {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = tables.iter().filter_map(|made| made.downcast_ref::<Arc<T>>()).find(|made| is_it(made)) {
            return Arc::clone(made);
        }
        let made = Arc::new(make());
        tables.push(Box::new(Arc::clone(&made)));
        made
    }
}

fn upload<B: Backend>(indices: &[i32], device: &Device<B>) -> IntTensor<B> {
    B::int_from_data(TensorData::new(indices.to_vec(), [indices.len()]), device)
}
