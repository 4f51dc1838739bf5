//! NumPy's `RandomState(seed).shuffle`, bit for bit: the fold files of other teams were made by it.

/// MT19937 (Matsumoto and Nishimura, 1998) seeded as `numpy.random.RandomState(seed)` seeds it.
pub(super) struct RandomState {
    words: [u32; 624],
    next: usize,
}

impl RandomState {
    pub(super) fn new(seed: u32) -> Self {
        let mut words = [0; 624];
        let mut word = seed;
        for (index, slot) in words.iter_mut().enumerate() {
            *slot = word;
            word = 1_812_433_253_u32
                .wrapping_mul(word ^ (word >> 30))
                .wrapping_add(index as u32 + 1);
        }
        Self { words, next: 624 }
    }

    fn next_u32(&mut self) -> u32 {
        if self.next == 624 {
            for index in 0..624 {
                let joined = (self.words[index] & 0x8000_0000)
                    | (self.words[(index + 1) % 624] & 0x7fff_ffff);
                let twist = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
                self.words[index] = self.words[(index + 397) % 624] ^ (joined >> 1) ^ twist;
            }
            self.next = 0;
        }
        let mut word = self.words[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// Uniform in `0..=highest` by masking and rejecting, as NumPy's legacy `random_interval`.
    fn interval(&mut self, highest: u32) -> u32 {
        if highest == 0 {
            return 0;
        }
        let mask = u32::MAX >> highest.leading_zeros();
        loop {
            let value = self.next_u32() & mask;
            if value <= highest {
                return value;
            }
        }
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.interval(last as u32) as usize);
        }
    }
}
