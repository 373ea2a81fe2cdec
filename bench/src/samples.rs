//! Everything that was measured, and what stands where nothing could be.

use std::fs;
use std::io;
use std::path::Path;

/// One figure: of which metric (`large.rate`), of whom, in which round.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) metric: String,
    pub(crate) subject: String,
    pub(crate) round: usize,
    pub(crate) value: f64,
}

/// Why a cell is empty.
#[derive(Clone, Debug, PartialEq)]
struct Word {
    metric: String,
    subject: String,
    word: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Samples {
    samples: Vec<Sample>,
    words: Vec<Word>,
}

impl Samples {
    pub(crate) fn add(&mut self, metric: &str, subject: &str, round: usize, value: f64) {
        let (metric, subject) = (metric.to_owned(), subject.to_owned());
        self.samples.push(Sample {
            metric,
            subject,
            round,
            value,
        });
    }

    /// Says why there is nothing: of one metric, or of all of a scenario.
    pub(crate) fn explain(&mut self, metric: &str, subject: &str, word: &str) {
        let word = word.replace(['\t', '\n'], " ");
        let (metric, subject) = (metric.to_owned(), subject.to_owned());
        self.words.push(Word {
            metric,
            subject,
            word,
        });
    }

    pub(crate) fn values(&self, metric: &str, subject: &str) -> Vec<f64> {
        let of = |sample: &&Sample| sample.metric == metric && sample.subject == subject;
        self.samples
            .iter()
            .filter(of)
            .map(|sample| sample.value)
            .collect()
    }

    /// Ratios of two measurements of the same round: they saw the same machine.
    pub(crate) fn ratios(&self, over: (&str, &str), under: (&str, &str)) -> Vec<f64> {
        let in_round = |(metric, subject): (&str, &str), round| {
            let mut samples = self.samples.iter();
            samples.find(|sample| {
                sample.metric == metric && sample.subject == subject && sample.round == round
            })
        };
        let of = |sample: &&Sample| sample.metric == over.0 && sample.subject == over.1;
        let overs = self.samples.iter().filter(of);
        overs
            .filter_map(|sample| Some(sample.value / in_round(under, sample.round)?.value))
            .collect()
    }

    pub(crate) fn word(&self, metric: &str, subject: &str) -> Option<&str> {
        let scenario = scenario_of(metric);
        let of = |word: &&Word| {
            word.subject == subject && (word.metric == metric || word.metric == scenario)
        };
        self.words
            .iter()
            .rev()
            .find(of)
            .map(|word| word.word.as_str())
    }

    pub(crate) fn subjects(&self, metric: &str) -> Vec<String> {
        let mut subjects = Vec::new();
        for sample in self.samples.iter().filter(|sample| sample.metric == metric) {
            if !subjects.contains(&sample.subject) {
                subjects.push(sample.subject.clone());
            }
        }
        subjects
    }

    /// Returns whether a server has measurements.
    pub(crate) fn has(&self, subject: &str) -> bool {
        self.samples.iter().any(|sample| sample.subject == subject)
    }

    pub(crate) fn count(&self) -> usize {
        self.samples.len()
    }

    /// Returns the lines after the first `count`.
    pub(crate) fn since(&self, count: usize) -> &[Sample] {
        &self.samples[count..]
    }

    /// Forgets what was measured in a scenario before.
    pub(crate) fn forget(&mut self, scenario: &str) {
        self.samples
            .retain(|sample| scenario_of(&sample.metric) != scenario);
        self.words
            .retain(|word| scenario_of(&word.metric) != scenario);
    }

    pub(crate) fn save(&self, file: &Path) -> io::Result<()> {
        let sample = |it: &Sample| {
            format!(
                "{}\t{}\t{}\t{}\n",
                it.metric, it.subject, it.round, it.value
            )
        };
        let word = |it: &Word| format!("{}\t{}\t-\t{}\n", it.metric, it.subject, it.word);
        let lines = self
            .samples
            .iter()
            .map(sample)
            .chain(self.words.iter().map(word));
        fs::write(file, lines.collect::<String>())
    }

    /// Reads what `save` wrote. What was never written is empty.
    pub(crate) fn load(file: &Path) -> Samples {
        let mut samples = Samples::default();
        for line in fs::read_to_string(file).unwrap_or_default().lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let &[metric, subject, round, value] = &fields[..] else {
                continue;
            };
            match (round.parse(), value.parse()) {
                (Ok(round), Ok(value)) => samples.add(metric, subject, round, value),
                _ => samples.explain(metric, subject, value),
            }
        }
        samples
    }
}

fn scenario_of(metric: &str) -> &str {
    metric.split('.').next().unwrap_or(metric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_samples_are_loaded_with_ratios_within_a_round() {
        let mut samples = Samples::default();
        for (round, (ours, floor)) in [(10.0, 5.0), (9.0, 9.0), (8.0, 2.0)]
            .into_iter()
            .enumerate()
        {
            samples.add("large.rate", "resumed", round, ours);
            if round != 1 {
                samples.add("large.rate", "bare loop", round, floor);
            }
        }
        samples.explain("large", "dufs", "not\there");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("samples");
        samples.save(&file).unwrap();
        let mut loaded = Samples::load(&file);
        assert_eq!(loaded, samples);
        assert_eq!(
            loaded.ratios(("large.rate", "resumed"), ("large.rate", "bare loop")),
            [2.0, 4.0]
        );
        assert_eq!(loaded.word("large.rate", "dufs"), Some("not here"));
        loaded.forget("large");
        assert_eq!(loaded, Samples::default());
    }
}
