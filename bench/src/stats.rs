//! Medians, and how sure they are.

use std::fmt;

/// The summary of a set of measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// The median, the least and the greatest; `None` of nothing.
    pub(crate) fn of(values: &[f64]) -> Option<Spread> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (*sorted.first()?, *sorted.last()?);
        let median = median(&sorted);
        Some(Spread { median, low, high })
    }

    /// The median, and the interval that holds the true one in 95 of 100 such experiments (bootstrap).
    pub(crate) fn certain(values: &[f64]) -> Option<Spread> {
        let median = Spread::of(values)?.median;
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        let mut medians: Vec<f64> = (0..RESAMPLES)
            .map(|_| resampled_median(values, &mut random))
            .collect();
        medians.sort_by(f64::total_cmp);
        let (low, high) = (
            medians[RESAMPLES / 40],
            medians[RESAMPLES - 1 - RESAMPLES / 40],
        );
        Some(Spread { median, low, high })
    }
}

const RESAMPLES: usize = 10_000;

/// The value below which this share of the values lies.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * share).ceil() as usize;
    values[at.clamp(1, values.len()) - 1]
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        (sorted[middle - 1] + sorted[middle]) / 2.0
    }
}

fn resampled_median(values: &[f64], random: &mut Random) -> f64 {
    let mut again: Vec<f64> = values
        .iter()
        .map(|_| values[random.below(values.len())])
        .collect();
    again.sort_by(f64::total_cmp);
    median(&again)
}

/// The same in every run, so that a report can be made again.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// A number with as many digits as it deserves.
pub(crate) struct Short(pub(crate) f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = match self.0.abs() {
            100.0.. => 0,
            10.0.. => 1,
            0.1.. => 2,
            _ => 3,
        };
        write!(f, "{:.*}", digits, self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(
            Spread::of(&[3.0, 1.0, 2.0]),
            Some(Spread {
                median: 2.0,
                low: 1.0,
                high: 3.0
            })
        );
        assert_eq!(Spread::of(&[4.0, 1.0]).unwrap().median, 2.5);
        let mut hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&mut hundred, 0.99), 99.0);
        assert_eq!(quantile(&mut [7.0], 0.99), 7.0);
    }

    #[test]
    fn the_interval_narrows_with_more_values() {
        let values = |count: u32| {
            (0..count)
                .map(|at| f64::from(at * 37 % 100))
                .collect::<Vec<_>>()
        };
        let width = |count| {
            let spread = Spread::certain(&values(count)).unwrap();
            assert!(
                spread.low <= spread.median && spread.median <= spread.high,
                "{spread:?}"
            );
            spread.high - spread.low
        };
        assert!(width(15) > width(100), "{} {}", width(15), width(100));
        assert_eq!(
            Spread::certain(&[5.0; 9]),
            Some(Spread {
                median: 5.0,
                low: 5.0,
                high: 5.0
            })
        );
    }
}
