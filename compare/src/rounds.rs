//! The same layer measured several times, as one result: on a shared machine a single round is off by
//! as much as kernels differ.

use crate::model::{Answer, LayerResult, Row, Timing};

/// Of every candidate and every peer the round with the median cost, with the costs of all (`rounds`);
/// of the first runs the first. What went wrong in any round is told, and the others count, ours as the peers'.
pub(crate) fn combine(rounds: Vec<LayerResult>, by_cpu: bool, executor_by_cpu: bool) -> LayerResult {
    let mut result = LayerResult::default();
    let (mut gpu, mut executor, mut peers) = (Vec::new(), Vec::new(), Vec::new());
    for round in rounds {
        result.layer = round.layer;
        gpu.push(round.gpu);
        executor.push(round.executor);
        peers.push(round.peers);
        let news: Vec<String> = round.errors.into_iter().filter(|error| !result.errors.contains(error)).collect();
        result.errors.extend(news);
    }
    result.gpu = rows(&gpu, by_cpu);
    result.executor = rows(&executor, executor_by_cpu);
    result.peers = answers(&peers, by_cpu, &mut result.errors);
    result
}

/// Every summary's row of the round that measured most of it, with the median timings of all.
fn rows(rounds: &[Vec<Row>], by_cpu: bool) -> Vec<Row> {
    let most = rounds.iter().max_by_key(|rows| (rows.len(), rows.iter().map(|row| row.timings.len()).sum::<usize>()));
    let Some(most) = most else { return Vec::new() };
    let row = |most: &Row| {
        let again = || rounds.iter().flatten().filter(|row| row.summary == most.summary);
        let timing = |timing: &Timing| {
            let label = timing.label.as_str();
            let of_label = || again().filter_map(|row| Some((row.cost(label, by_cpu)?, row.timing(label)?)));
            let mut median = median(of_label().collect()).unwrap_or(timing).clone();
            median.more.insert("rounds".to_owned(), of_label().map(|(cost, _)| cost).collect());
            // Later rounds find what the first compiled in the driver's cache.
            let first = again().find_map(|row| row.timing(label)).unwrap_or(timing);
            let Timing { compile_milliseconds, first_milliseconds, .. } = *first;
            Timing { compile_milliseconds, first_milliseconds, ..median }
        };
        Row { timings: most.timings.iter().map(timing).collect(), ..most.clone() }
    };
    most.iter().map(row).collect()
}

/// Each peer's median answer of those that are none of an error, which is told.
fn answers(rounds: &[Vec<Answer>], by_cpu: bool, errors: &mut Vec<String>) -> Vec<Answer> {
    let Some(first) = rounds.first() else { return Vec::new() };
    let mut answer = |first: &Answer| {
        let again = || rounds.iter().flatten().filter(|answer| answer.peer == first.peer);
        let cost = |answer: &Answer| if by_cpu { answer.cpu_milliseconds } else { Some(answer.milliseconds) };
        let good = || again().filter(|answer| answer.error.is_none());
        let costs = || good().filter_map(|answer| Some((cost(answer)?, answer)));
        let Some(median) = median(costs().collect()) else { return first.clone() };
        let mut median = median.clone();
        median.more.insert("rounds".to_owned(), costs().map(|(cost, _)| cost).collect());
        let failed = again().find_map(|answer| answer.error.as_ref());
        errors.extend(failed.map(|error| format!("{} in a round: {error}", first.peer)));
        median
    };
    first.iter().map(&mut answer).collect()
}

/// The one with the median cost, of an even number the cheaper of the two.
fn median<T>(mut costs: Vec<(f64, T)>) -> Option<T> {
    costs.sort_by(|left, right| left.0.total_cmp(&right.0));
    let middle = costs.len().checked_sub(1)? / 2;
    Some(costs.swap_remove(middle).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::row;

    fn round(dense: f64, shared: f64, peer: f64) -> LayerResult {
        let answer = Answer { peer: "p".to_owned(), cpu_milliseconds: Some(peer), ..Answer::default() };
        let mut gpu = row("C", "shared", &[("dense", dense), ("shared", shared)]);
        gpu.timings[0].first_milliseconds = 100.0 * dense;
        LayerResult { gpu: vec![gpu], peers: vec![answer], ..LayerResult::default() }
    }

    #[test]
    fn every_candidate_has_its_own_median() {
        let result = combine(vec![round(9.0, 2.0, 5.0), round(7.0, 3.0, 4.0), round(8.0, 1.0, 6.0)], true, true);
        assert_eq!(result.gpu[0].cost("dense", true), Some(8.0));
        assert_eq!(result.gpu[0].cost("auto", true), Some(2.0));
        assert_eq!(result.peer("p", true), Some(5.0));
        let dense = &result.gpu[0].timings[0];
        assert_eq!(dense.first_milliseconds, 900.0, "of the first round");
        assert_eq!(dense.more["rounds"], serde_json::json!([9.0, 7.0, 8.0]));
        assert_eq!(result.peers[0].more["rounds"], serde_json::json!([5.0, 4.0, 6.0]));
        let two = combine(vec![round(9.0, 2.0, 5.0), round(7.0, 3.0, 4.0)], true, true);
        assert_eq!(two.gpu[0].cost("dense", true), Some(7.0));
    }

    #[test]
    fn what_fails_once_is_told_and_the_rest_counts() {
        let mut failed = round(9.0, 2.0, 5.0);
        failed.gpu[0].timings.pop();
        failed.errors.push("out of memory".to_owned());
        failed.peers[0].error = Some("another convolution".to_owned());
        let result = combine(vec![failed.clone(), round(7.0, 3.0, 4.0), round(8.0, 1.0, 6.0)], true, true);
        assert_eq!(result.errors, ["out of memory", "p in a round: another convolution"]);
        assert_eq!(result.gpu[0].cost("dense", true), Some(8.0), "of all three rounds");
        assert_eq!(result.gpu[0].cost("shared", true), Some(1.0), "of the two that there are");
        assert_eq!((result.peer("p", true), &result.peers[0].error), (Some(4.0), &None));
        // A peer that always fails has its error.
        let result = combine(vec![failed.clone(), failed], true, true);
        assert_eq!(result.peers[0].error.as_deref(), Some("another convolution"));
        assert_eq!(result.errors, ["out of memory"]);
        assert!(combine(Vec::new(), true, true).gpu.is_empty());
    }
}
