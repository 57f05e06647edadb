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
    /// Of fixed starts, or of the segments at the whole positions below learned ones.
    pub(crate) first: Vec<i32>,
    pub(crate) blend: Option<Blend>,
    /// Whether any index is L.
    pub(crate) has_outside: bool,
}

/// What learned positions have besides.
#[derive(Debug)]
pub(crate) struct Blend {
    /// Of the segments one unit further.
    pub(crate) next: Vec<i32>,
    /// `[O]`: how much of a filter comes from the next segment.
    pub(crate) fractions: Vec<f32>,
}

impl IndexTable {
    pub(crate) fn new(placement: &Placement) -> Self {
        let outside = placement.length();
        let indices = |at: &dyn Fn(usize, usize, usize) -> Option<usize>| -> Vec<i32> {
            let (filters, channels, taps) = (placement.filters(), placement.window().channels(), placement.taps());
            let weights = (0..filters).flat_map(|filter| {
                (0..channels).flat_map(move |channel| (0..taps).map(move |tap| (filter, channel, tap)))
            });
            // Summaries are shorter than 2^31.
            weights.map(|(filter, channel, tap)| at(filter, channel, tap).unwrap_or(outside) as i32).collect()
        };
        let first = indices(&|filter, channel, tap| placement.index(filter, channel, tap));
        let blend = match placement.starts() {
            Starts::Learned { .. } => Some(Blend {
                next: indices(&|filter, channel, tap| next_index(placement, filter, channel, tap)),
                fractions: (0..placement.filters()).map(|filter| placement.fraction(filter)).collect(),
            }),
            _ => None,
        };
        let is_outside = |indices: &[i32]| indices.iter().any(|&index| index as usize == outside);
        let has_outside = is_outside(&first) || blend.as_ref().is_some_and(|blend| is_outside(&blend.next));
        Self { first, blend, has_outside }
    }
}

/// The index in the segment one unit further, also where a position is whole and nothing of that segment is used: the
/// derivative by the position is the one towards it.
fn next_index(placement: &Placement, filter: usize, channel: usize, tap: usize) -> Option<usize> {
    let Starts::Learned { length, positions, unit } = placement.starts() else { return None };
    if placement.fraction(filter) > 0.0 {
        return placement.next_index(filter, channel, tap);
    }
    let window = placement.window();
    let start = (positions.get(filter)?.round() as i64 + 1) * *unit as i64;
    let index = start + channel as i64 * window.channel_stride() + window.tap_offsets()[tap];
    let index = if placement.boundary() == Boundary::Wrap { index.rem_euclid(*length as i64) } else { index };
    usize::try_from(index).ok().filter(|index| index < length)
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

impl OnDevices {
    pub(crate) fn get<B: Backend>(&self, table: &IndexTable, device: &Device<B>) -> Arc<DeviceTable<B>> {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let made = tables.iter().filter_map(|table| table.downcast_ref::<Arc<DeviceTable<B>>>());
        if let Some(made) = made.into_iter().find(|table| table.device == *device) {
            return Arc::clone(made);
        }
        let upload = |indices: &[i32]| B::int_from_data(TensorData::new(indices.to_vec(), [indices.len()]), device);
        let first = upload(&table.first);
        let next = table.blend.as_ref().map(|blend| upload(&blend.next));
        let made = Arc::new(DeviceTable::<B> { device: device.clone(), first, next });
        tables.push(Box::new(Arc::clone(&made)));
        made
    }
}
