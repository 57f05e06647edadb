//! What `--device auto` takes. Pure, but for the opening of adapters.

use filter_summary::standalone::{describe, is_software};
use filter_summary::wgpu;

use crate::output::one_line;

/// What the choice knows of an adapter.
#[derive(Debug)]
pub(crate) struct Candidate {
    name: String,
    software: bool,
}

impl Candidate {
    pub(crate) fn new(adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        Self { name: one_line(&describe(&info)), software: is_software(&info) }
    }
}

/// What was chosen.
#[derive(Debug)]
pub(crate) struct Choice<T, E> {
    /// An adapter's index, opened; the CPU executor otherwise.
    pub(crate) taken: Option<(usize, T)>,
    /// Why better ones were not opened.
    pub(crate) refused: Vec<E>,
    /// A software adapter that the CPU executor was preferred to.
    slower: Option<usize>,
}

/// The first of the candidates, best first, that opens. Software adapters are slower than the CPU executor: they are
/// only taken when `any` will do.
pub(crate) fn choose<T, E>(
    candidates: &[Candidate],
    any: bool,
    mut open: impl FnMut(usize) -> Result<T, E>,
) -> Choice<T, E> {
    let mut choice = Choice { taken: None, refused: Vec::new(), slower: None };
    for (at, candidate) in candidates.iter().enumerate() {
        if candidate.software && !any {
            choice.slower = choice.slower.or(Some(at));
            continue;
        }
        match open(at) {
            Ok(device) => {
                choice.taken = Some((at, device));
                break;
            }
            Err(error) => choice.refused.push(error),
        }
    }
    choice
}

impl<T, E> Choice<T, E> {
    /// What it is and why, in one line.
    pub(crate) fn reason(&self, candidates: &[Candidate], need: Option<&str>) -> String {
        let known = |at: usize| candidates.get(at).map_or(("", false), |known| (known.name.as_str(), known.software));
        match (&self.taken, self.slower) {
            (&Some((at, _)), _) => match known(at) {
                (name, true) => format!("running on {name}: it is software, but {}", need.unwrap_or("it is asked for")),
                (name, false) => format!("running on {name}: a GPU comes before the CPU"),
            },
            (None, Some(at)) => {
                format!("running on the CPU: {} is software, and slower (--device {at} takes it)", known(at).0)
            }
            (None, None) => format!("{}: running on the CPU", super::none_found()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adapters by name; those that begin with `s` are software, those that end with `!` do not open.
    fn choice(names: &[&str], any: bool) -> (Choice<(), String>, Vec<Candidate>) {
        let candidate = |name: &&str| Candidate { name: (*name).to_owned(), software: name.starts_with('s') };
        let candidates: Vec<Candidate> = names.iter().map(candidate).collect();
        let open = |at: usize| if names[at].ends_with('!') { Err(names[at].to_owned()) } else { Ok(()) };
        (choose(&candidates, any, open), candidates)
    }

    /// Its index, how many were refused, and why.
    fn chosen(names: &[&str], need: Option<&str>) -> (Option<usize>, usize, String) {
        let (choice, candidates) = choice(names, need.is_some());
        (choice.taken.map(|(at, ())| at), choice.refused.len(), choice.reason(&candidates, need))
    }

    fn none() -> String {
        format!("{}: running on the CPU", super::super::none_found())
    }

    #[test]
    fn a_gpu_comes_before_the_cpu_and_the_cpu_before_software() {
        assert_eq!(
            chosen(&["h0", "h1", "s"], None),
            (Some(0), 0, "running on h0: a GPU comes before the CPU".to_owned())
        );
        let cpu = "running on the CPU: s0 is software, and slower (--device 0 takes it)";
        assert_eq!(chosen(&["s0", "s1"], None), (None, 0, cpu.to_owned()));
        assert_eq!(chosen(&[], None), (None, 0, none()));
    }

    #[test]
    fn what_does_not_open_is_passed_over() {
        assert_eq!(chosen(&["h0!", "h1!", "h2"], None).0, Some(2));
        let (at, refused, reason) = chosen(&["h0!", "s1"], None);
        assert_eq!((at, refused), (None, 1));
        assert!(reason.starts_with("running on the CPU: s1 is software"), "{reason}");
        assert_eq!(chosen(&["h0!"], None), (None, 1, none()));
        // A software adapter is not opened to be passed over.
        assert_eq!(chosen(&["s0!"], None).1, 0);
    }

    #[test]
    fn what_only_adapters_have_takes_software() {
        let reason = "running on s0: it is software, but --tune measures adapters";
        assert_eq!(chosen(&["s0"], Some("--tune measures adapters")), (Some(0), 0, reason.to_owned()));
        assert_eq!(chosen(&["s0!", "s1"], Some("")).0, Some(1));
        assert_eq!(chosen(&["h0", "s1"], Some("")).0, Some(0));
        assert_eq!(chosen(&["s0!"], Some("")), (None, 1, none()));
    }
}
