//! What is seen of a training while it runs, and the loss of every step. burn's own renderer for consoles shows no
//! metrics.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use burn::train::LearnerSummary;
use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn::train::metric::{MetricDefinition, MetricId, NumericEntry};
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation, MetricsRendererTraining,
};
use serde::{Deserialize, Serialize};

/// Names that burn gives its metrics.
const LOSS: &str = "Loss";
const ACCURACY: &str = "Accuracy";
const RATE: &str = "Learning Rate";

/// A step, as it was before its weights were moved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) epoch: usize,
    pub(crate) loss: f64,
    /// Of the batch, in percent.
    pub(crate) accuracy: f64,
    pub(crate) lr: f64,
    /// Since the first step was done.
    pub(crate) seconds: f64,
}

/// After an epoch, on the test images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tested {
    pub(crate) epoch: usize,
    pub(crate) loss: f64,
    pub(crate) accuracy: f64,
    pub(crate) seconds: f64,
}

/// What a training went through.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Curve {
    pub(crate) steps: Vec<Step>,
    pub(crate) tested: Vec<Tested>,
}

/// Shows every so many steps on stderr, and keeps all of them.
pub(crate) struct Console {
    curve: Arc<Mutex<Curve>>,
    names: HashMap<MetricId, String>,
    latest: HashMap<String, f64>,
    epoch: usize,
    epochs: usize,
    is_training: bool,
    total: usize,
    /// Images that were done when a line was shown last, and when that was.
    shown: (usize, Instant),
    start: Option<Instant>,
    is_quiet: bool,
}

impl Console {
    pub(crate) fn new(curve: &Arc<Mutex<Curve>>, is_quiet: bool) -> Self {
        Self {
            curve: curve.clone(),
            names: HashMap::new(),
            latest: HashMap::new(),
            epoch: 1,
            epochs: 0,
            is_training: true,
            total: 0,
            shown: (0, Instant::now()),
            start: None,
            is_quiet,
        }
    }

    fn update(&mut self, state: MetricState) {
        let MetricState::Numeric(entry, Some(number)) = state else { return };
        // The last of an epoch's training would come after its last step.
        if self.is_training && matches!(number, NumericEntry::Final(_)) {
            return;
        }
        if let Some(name) = self.names.get(&entry.metric_id) {
            self.latest.insert(name.clone(), number.current());
        }
    }

    fn value(&self, name: &str) -> f64 {
        self.latest.get(name).copied().unwrap_or(f64::NAN)
    }

    fn seconds(&mut self) -> f64 {
        self.start.get_or_insert_with(Instant::now).elapsed().as_secs_f64()
    }

    fn say(&self, line: &str) {
        if !self.is_quiet {
            eprintln!("epoch {}/{} {line}", self.epoch, self.epochs);
        }
    }

    fn keep(&self, change: impl FnOnce(&mut Curve)) {
        change(&mut self.curve.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl TrainingProgressLogger for Console {
    fn start(&mut self, epochs: usize, first: usize, _items: Option<usize>, _label: Option<&str>) {
        (self.epochs, self.epoch) = (epochs, first);
    }

    fn start_split(&mut self, split: &str, total: usize) {
        self.is_training = split.eq_ignore_ascii_case("train");
        (self.total, self.shown) = (total, (0, Instant::now()));
    }

    fn update_split(&mut self, done: usize) {
        if !self.is_training {
            return;
        }
        let [loss, accuracy, lr] = [LOSS, ACCURACY, RATE].map(|name| self.value(name));
        let step = Step { epoch: self.epoch, loss, accuracy, lr, seconds: self.seconds() };
        self.keep(|curve| curve.steps.push(step));
        let (before, since) = self.shown;
        let seconds = since.elapsed().as_secs_f64();
        // Ten lines an epoch, or one every twenty seconds.
        if done == self.total || done * 10 / self.total > before * 10 / self.total || seconds > 20.0 {
            let speed = (done - before.min(done)) as f64 / seconds;
            let so_far = format!("image {done}/{}: loss {loss:.4}, {accuracy:.1} % of the batch right", self.total);
            self.say(&format!("{so_far}, lr {lr:.4}, {speed:.0} images/s"));
            self.shown = (done, Instant::now());
        }
    }

    fn end_split(&mut self) {
        if self.is_training {
            return;
        }
        let [loss, accuracy] = [LOSS, ACCURACY].map(|name| self.value(name));
        let tested = Tested { epoch: self.epoch, loss, accuracy, seconds: self.seconds() };
        self.keep(|curve| curve.tested.push(tested));
        self.say(&format!("on {} test images: loss {loss:.4}, {accuracy:.2} % right", self.total));
    }

    fn update_epoch(&mut self, epoch: usize) {
        self.epoch = epoch + 1;
    }

    fn end(&mut self) {}

    fn log_event_training(&mut self, _event: String) {}
}

impl MetricsRendererTraining for Console {
    fn update_train(&mut self, state: MetricState) {
        self.update(state);
    }

    fn update_valid(&mut self, state: MetricState) {
        self.update(state);
    }

    fn on_train_end(&mut self, _summary: Option<LearnerSummary>) -> Result<(), Box<dyn std::error::Error>> {
        Ok(())
    }
}

impl MetricsRenderer for Console {
    fn manual_close(&mut self) {}

    fn register_metric(&mut self, definition: MetricDefinition) {
        self.names.insert(definition.metric_id, definition.name.to_string());
    }
}

/// burn's renderers are for evaluations as well, of which there is none here.
impl EvaluationProgressLogger for Console {
    fn start_global_progress(&mut self, _tests: usize) {}
    fn start_test(&mut self, _name: &str, _items: usize) {}
    fn update_test_progress(&mut self, _done: usize) {}
    fn end_test(&mut self) {}
    fn end_global_progress(&mut self) {}
    fn log_event_evaluation(&mut self, _event: String) {}
}

impl MetricsRendererEvaluation for Console {
    fn update_test(&mut self, _name: EvaluationName, _state: MetricState) {}
}
