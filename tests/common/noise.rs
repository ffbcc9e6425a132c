//! Pseudo-random octets and texts, the same in every run.
#![allow(dead_code)] // Each user takes a part.

/// Marsaglia's xorshift.
pub struct Noise(pub u64);

impl Noise {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    /// Returns up to `most` pieces, concatenated.
    pub fn text(&mut self, pieces: &[&str], most: usize) -> String {
        (0..self.below(most + 1)).map(|_| pieces[self.below(pieces.len())]).collect()
    }

    /// Returns the octets with some changed, removed, doubled and inserted.
    pub fn damage(&mut self, octets: &[u8]) -> Vec<u8> {
        let mut octets = octets.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(octets.len() + 1);
            let octet = self.below(256) as u8;
            match self.below(4) {
                0 => octets.insert(at, octet),
                1 if at < octets.len() => drop(octets.remove(at)),
                2 if at < octets.len() => octets[at] = octet,
                _ => octets.truncate(at.max(1)),
            }
        }
        octets
    }
}
