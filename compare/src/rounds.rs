//! The same layer measured several times, as one result: on a shared machine a single round is off by as much as kernels differ.

use crate::model::{Answer, LayerResult, Row, Timing};

/// Of every candidate and every peer the round with the median cost; of the first runs the first. What went wrong in any round is told.
pub(crate) fn combine(rounds: Vec<LayerResult>, by_cpu: bool, executor_by_cpu: bool) -> LayerResult {
    let mut result = LayerResult::default();
    let (mut gpu, mut executor, mut peers) = (Vec::new(), Vec::new(), Vec::new());
    for round in rounds {
        result.layer = round.layer;
        gpu.push(round.gpu);
        executor.push(round.executor);
        peers.push(round.peers);
        let news = round.errors.into_iter().filter(|error| !result.errors.contains(error));
        let news: Vec<String> = news.collect();
        result.errors.extend(news);
    }
    result.gpu = rows(gpu, by_cpu);
    result.executor = rows(executor, executor_by_cpu);
    result.peers = answers(&peers, by_cpu);
    result
}

/// The rows of the first round that has any, with the median timings of all.
fn rows(rounds: Vec<Vec<Row>>, by_cpu: bool) -> Vec<Row> {
    let rounds: Vec<Vec<Row>> = rounds.into_iter().filter(|rows| !rows.is_empty()).collect();
    let Some(first) = rounds.first() else { return Vec::new() };
    let row = |first: &Row| {
        let again = || rounds.iter().flatten().filter(|row| row.summary == first.summary);
        let timing = |cold: &Timing| {
            let label = cold.label.as_str();
            let of_label = again().filter_map(|row| Some((row.cost(label, by_cpu)?, row.timing(label)?)));
            let median = median(of_label.collect()).unwrap_or(cold).clone();
            // Later rounds find what the first compiled in the driver's cache.
            let Timing { compile_milliseconds, first_milliseconds, .. } = *cold;
            Timing { compile_milliseconds, first_milliseconds, ..median }
        };
        Row { timings: first.timings.iter().map(timing).collect(), ..first.clone() }
    };
    first.iter().map(row).collect()
}

/// Each peer's median answer, or its error if it had one.
fn answers(rounds: &[Vec<Answer>], by_cpu: bool) -> Vec<Answer> {
    let Some(first) = rounds.first() else { return Vec::new() };
    let answer = |first: &Answer| {
        let again = || rounds.iter().flatten().filter(|answer| answer.peer == first.peer);
        let cost = |answer: &Answer| if by_cpu { answer.cpu_milliseconds } else { Some(answer.milliseconds) };
        let failed = again().find(|answer| answer.error.is_some());
        let median = || median(again().filter_map(|answer| Some((cost(answer)?, answer))).collect());
        failed.or_else(median).unwrap_or(first).clone()
    };
    first.iter().map(answer).collect()
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
        assert_eq!(result.gpu[0].timings[0].first_milliseconds, 900.0, "of the first round");
        let two = combine(vec![round(9.0, 2.0, 5.0), round(7.0, 3.0, 4.0)], true, true);
        assert_eq!(two.gpu[0].cost("dense", true), Some(7.0));
    }

    #[test]
    fn what_fails_once_is_told() {
        let mut failed = round(9.0, 2.0, 5.0);
        failed.gpu.clear();
        failed.errors.push("out of memory".to_owned());
        failed.peers[0].error = Some("another convolution".to_owned());
        let result = combine(vec![round(7.0, 3.0, 4.0), failed, round(8.0, 1.0, 6.0)], true, true);
        assert_eq!(result.errors, ["out of memory"]);
        assert_eq!(result.gpu[0].cost("dense", true), Some(7.0), "of the two rounds that there are");
        assert_eq!(result.peers[0].error.as_deref(), Some("another convolution"));
        assert!(combine(Vec::new(), true, true).gpu.is_empty());
    }
}
