//! From values to places, and the numbers beside an axis.

/// One direction of a plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What is measured, with its unit.
    pub name: String,
    low: f64,
    high: f64,
    log: bool,
    whole: bool,
}

impl Axis {
    /// From `low` to `high`, which it may hold in either order of size; equal ends are moved apart.
    pub fn new(name: &str, low: f64, high: f64) -> Self {
        let (low, high) = if high > low {
            (low, high)
        } else {
            let margin = (low.abs() * 0.05).max(0.01);
            (low - margin, low + margin)
        };
        Self {
            name: name.to_owned(),
            low,
            high,
            log: false,
            whole: false,
        }
    }

    /// From 0 to 1.
    pub fn share(name: &str) -> Self {
        Self::new(name, 0.0, 1.0)
    }

    /// Around all values that are numbers, out to the next round ones; from 0 to 1 without any.
    pub fn around(name: &str, values: impl Iterator<Item = f64>) -> Self {
        let Some((low, high)) = ends(values) else {
            return Self::share(name);
        };
        let mut axis = Self::new(name, low, high);
        let step = axis.step(5);
        axis.low = (axis.low / step).floor() * step;
        axis.high = (axis.high / step).ceil() * step;
        axis
    }

    /// From 0 to past the largest value.
    pub fn from_zero(name: &str, values: impl Iterator<Item = f64>) -> Self {
        Self::around(name, values.chain([0.0]))
    }

    /// As [`around`](Self::around), in the logarithm where the largest value is many times the
    /// smallest.
    pub fn by_range(name: &str, values: impl Iterator<Item = f64>) -> Self {
        const MANY: f64 = 8.0;
        let values: Vec<f64> = values.collect();
        match ends(values.iter().copied()) {
            Some((low, high)) if low > 0.0 && high / low > MANY => Self {
                low: low / 1.1,
                high: high * 1.1,
                log: true,
                ..Self::new(name, low, high)
            },
            _ => Self::around(name, values.into_iter()),
        }
    }

    /// As it is, with ticks at whole numbers only.
    pub fn whole(self) -> Self {
        Self {
            whole: true,
            ..self
        }
    }

    /// As it is, in the logarithm; its ends must be above 0.
    pub fn log(self) -> Self {
        Self {
            log: self.low > 0.0,
            ..self
        }
    }

    /// Where a value stands: 0 at the low end, 1 at the high one.
    pub fn place(&self, value: f64) -> f64 {
        if self.log {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    /// Round values along the axis, about `most` of them, and the words for them.
    pub fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        if self.log {
            return self.log_ticks(most);
        }
        let step = self.step(most);
        let decimals = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
        let first = (self.low / step - 1e-6).ceil() as i64;
        let last = (self.high / step + 1e-6).floor() as i64;
        (first..=last)
            .map(|number| number as f64 * step)
            .map(|value| (value, format!("{:.decimals$}", value + 0.0)))
            .collect()
    }

    fn log_ticks(&self, most: usize) -> Vec<(f64, String)> {
        let powers = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let of = |digits: &[f64]| -> Vec<f64> {
            (powers.clone())
                .flat_map(|power| digits.iter().map(move |digit| digit * 10f64.powi(power)))
                .filter(|value| (self.low..=self.high).contains(value))
                .collect()
        };
        let fine = of(&[1.0, 2.0, 5.0]);
        let values = if fine.len() > most { of(&[1.0]) } else { fine };
        values
            .into_iter()
            .map(|value| (value, number(value)))
            .collect()
    }

    /// 1, 2 or 5 times a power of ten, so that about `most` of them fill the axis.
    fn step(&self, most: usize) -> f64 {
        let rough = (self.high - self.low) / most.max(1) as f64;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|digit| digit * power)
            .find(|step| *step >= rough * 0.999)
            .unwrap_or(10.0 * power);
        if self.whole { step.max(1.0) } else { step }
    }
}

fn ends(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values
        .filter(|value| value.is_finite())
        .fold(None, |ends, value| {
            let (low, high) = ends.unwrap_or((value, value));
            Some((low.min(value), high.max(value)))
        })
}

/// A number in few characters: `0.004`, `12.5`, `3e-5`, `12000`.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e6).contains(&size) {
        return format!("{value:.1e}").replace(".0e", "e");
    }
    let decimals = if size == 0.0 {
        0
    } else {
        (2.0 - size.log10().floor()).max(0.0) as usize
    };
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(axis: &Axis, most: usize) -> Vec<String> {
        axis.ticks(most).into_iter().map(|tick| tick.1).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(
            words(&Axis::share("x"), 5),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        let accuracy = Axis::around("x", [0.561, 0.682].into_iter());
        assert_eq!(words(&accuracy, 5), ["0.55", "0.60", "0.65", "0.70"]);
        assert_eq!(
            words(&Axis::new("x", 1.0, 4.0).whole(), 8),
            ["1", "2", "3", "4"]
        );
        assert_eq!(words(&Axis::new("x", -0.02, 0.01), 4).len(), 4);
        let loss = Axis::by_range("x", [0.6, 11.7].into_iter());
        assert_eq!(words(&loss, 6), ["1", "2", "5", "10"]);
        assert!((loss.place(0.6) - 0.03).abs() < 0.01);
        // Equal values and none at all still make an axis.
        assert!(Axis::around("x", [0.5; 3].into_iter()).ticks(5).len() > 1);
        assert_eq!(
            words(&Axis::around("x", [f64::NAN].into_iter()), 2).len(),
            3
        );
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.004, "0.004"),
            (12.54, "12.5"),
            (0.68234, "0.682"),
            (3e-5, "3e-5"),
            (12_000.0, "12000"),
            (231.7, "232"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
