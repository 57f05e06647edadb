//! `fsnet classify`: what is on these images?

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use filter_summary::network::Network;
use filter_summary_pictures::{Fit, Guess, best, check_input};
use serde::Serialize;

use crate::device::DeviceArgs;
use crate::executor::Executor;
use crate::kernel::KernelArgs;
use crate::output::{self, Format, Verdict, one_line};
use crate::tune::TuneArgs;
use crate::{batches, images};

mod bundled;
mod pictures;

use pictures::Picture;

/// Most images that run at a time, and so are told of at a time.
const BATCH: usize = 32;

/// Widest column of names; longer ones push their guesses to the right.
const NAME_WIDTH: usize = 48;

/// Classify images; without arguments, ten bundled ones with the bundled model
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// PNG or JPEG files, or folders: of each the .png, .jpg and .jpeg files, by their names, without hidden ones and
    /// those in further folders [default: ten bundled CIFAR-10 test images]
    images: Vec<PathBuf>,

    /// A network file (docs/format.md) [default: the bundled one for CIFAR-10]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,

    /// How many classes to name
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    top: u16,

    #[command(flatten)]
    kernels: KernelArgs,

    #[command(flatten)]
    tune: TuneArgs,

    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    format: Format,
}

#[derive(Serialize)]
struct Report {
    model: String,
    device: String,
    kernel: &'static str,
    /// Whether the kernels were chosen by measuring them.
    tuned: bool,
    /// Of the network, after a batch that compiled its kernels; without reading pictures.
    milliseconds_per_image: f64,
    images: Vec<Classified>,
    /// Of the bundled images, whose classes are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    correct: Option<usize>,
}

#[derive(Serialize)]
struct Classified {
    image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'static str>,
    top: Vec<Guess>,
}

pub(crate) fn run(args: &Args) -> Result<Verdict> {
    args.tune.check()?;
    let (name, network) = load_model(args.model.as_deref())?;
    check_input(network.input()).with_context(|| name.clone())?;
    let pictures = pictures::find(&args.images)?;

    let device = Executor::device(&args.device, args.kernels, &args.tune)?;
    let batch = batches::size(BATCH, &network).min(pictures.len());
    let executor = Executor::new(device, &network, batch, args.kernels, &args.tune).with_context(|| name.clone())?;
    let device_name = executor.device_name().to_owned();
    // Drivers compile kernels when they first run: that is not the time of an image.
    executor.run(&vec![0.0; batch * network.input().shape.iter().product::<usize>()])?;

    let listing = Listing::of(&pictures);
    let mut tally = Tally::default();
    let bar = output::progress(pictures.len(), "images");
    let load = |index: usize| {
        let values = images::values(pictures[index].load()?, Fit::default(), network.input());
        bar.inc(1);
        Ok(values)
    };
    let classified = batches::for_each(pictures.len(), batch, load, |range, values| {
        let (first, start) = (range.start, Instant::now());
        let outputs = executor.run(values)?;
        tally.seconds += start.elapsed().as_secs_f64();
        ensure!(outputs.iter().all(|logit| logit.is_finite()), "{name}: its output is not finite: it overflows in f32");
        let rows = outputs.chunks(outputs.len() / range.len());
        let guesses = rows.map(|row| best(row, network.labels(), args.top.into()));
        let images: Vec<_> = pictures[range].iter().zip(guesses).map(|(picture, top)| classify(picture, top)).collect();
        tally.correct += images.iter().filter(|image| image.is_right()).count();
        if args.format.json {
            tally.images.extend(images);
            return Ok(());
        }
        let header = (first == 0).then(|| listing.header());
        let lines: Vec<String> = header.into_iter().chain(images.iter().map(|image| listing.line(image))).collect();
        bar.suspend(|| output::print(&lines.join("\n")))
    });
    bar.finish_and_clear();
    classified?;

    let answers = |class: &str| network.labels().iter().any(|label| label == class);
    let known = pictures.iter().all(|picture| picture.class.is_some_and(answers));
    let report = Report {
        model: name,
        device: device_name,
        kernel: args.kernels.kernel.name(),
        tuned: executor.is_tuned(),
        milliseconds_per_image: 1e3 * tally.seconds / pictures.len() as f64,
        images: tally.images,
        correct: known.then_some(tally.correct),
    };
    args.format.print(&report, || text(&report, pictures.len()))?;
    Ok(Verdict::Done)
}

/// What is known after some batches.
#[derive(Default)]
struct Tally {
    seconds: f64,
    correct: usize,
    /// For JSON, which is printed at the end.
    images: Vec<Classified>,
}

fn classify(picture: &Picture, top: Vec<Guess>) -> Classified {
    Classified { image: picture.name.clone(), class: picture.class, top }
}

impl Classified {
    fn is_right(&self) -> bool {
        self.class.is_some_and(|class| self.top.first().is_some_and(|guess| guess.label == class))
    }
}

fn load_model(path: Option<&Path>) -> Result<(String, Network)> {
    let (name, network) = match path {
        Some(path) => (path.display().to_string(), Network::load(path)?),
        None => {
            let (name, bytes) = bundled::MODEL;
            (name.to_owned(), Network::from_bytes(bytes).context(name)?)
        }
    };
    ensure!(network.output().shape.iter().product::<usize>() > 0, "{name}: the output has no values");
    Ok((one_line(&name), network))
}

/// Lines of text, printed while other images still run: how wide the names are is known before.
struct Listing {
    width: usize,
}

impl Listing {
    fn of(pictures: &[Picture]) -> Self {
        let widths = pictures.iter().map(|picture| one_line(&picture.name).chars().count());
        Self { width: widths.max().unwrap_or_default().clamp("image".len(), NAME_WIDTH) }
    }

    fn header(&self) -> String {
        let header = format!("{:width$}  best guesses", "image", width = self.width);
        let line = "─".repeat(header.len());
        format!("{header}\n{line}")
    }

    fn line(&self, image: &Classified) -> String {
        let guess = |guess: &Guess| format!("{} {:.1} %", one_line(&guess.label), 100.0 * guess.probability);
        let guesses = image.top.iter().map(guess).collect::<Vec<_>>().join(", ");
        format!("{:width$}  {guesses}", one_line(&image.image), width = self.width)
    }
}

fn text(report: &Report, total: usize) -> String {
    let right = report.correct.map(|correct| format!("{correct} of {total} right\n")).unwrap_or_default();
    let (time, device, model, kernel) = (report.milliseconds_per_image, &report.device, &report.model, report.kernel);
    let tuned = if report.tuned { ", tuned" } else { "" };
    format!("\n{right}{time:.2} ms an image on {device}\nmodel {model}, kernels {kernel}{tuned}")
}
