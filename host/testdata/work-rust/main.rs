// The work of ../work in Rust, with the same names and results.
#[no_mangle]
pub extern "C" fn sieve(n: i32) -> i64 {
    let n = n as usize;
    let mut composite = vec![false; n + 1];
    let mut count = 0;
    for i in 2..=n {
        if composite[i] {
            continue;
        }
        count += 1;
        for j in (i * i..=n).step_by(i) {
            composite[j] = true;
        }
    }
    count
}

#[rustfmt::skip]
const PRIMES: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

fn compress(state: &mut [u32; 8], block: &[u8]) {
    let mut w = [0u32; 64];
    for (i, bytes) in block.chunks_exact(4).enumerate() {
        w[i] = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    for i in 16..64 {
        let (a, b) = (w[i - 15], w[i - 2]);
        let a = a.rotate_right(7) ^ a.rotate_right(18) ^ a >> 3;
        let b = b.rotate_right(17) ^ b.rotate_right(19) ^ b >> 10;
        w[i] = w[i - 16].wrapping_add(w[i - 7]).wrapping_add(a).wrapping_add(b);
    }
    let mut s = *state;
    for i in 0..64 {
        let (a, e) = (s[0], s[4]);
        let one = s[7]
            .wrapping_add(e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25))
            .wrapping_add((e & s[5]) ^ (!e & s[6]))
            .wrapping_add(PRIMES[i])
            .wrapping_add(w[i]);
        let two = (a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22)).wrapping_add((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        s.copy_within(0..7, 1);
        s[4] = s[4].wrapping_add(one);
        s[0] = one.wrapping_add(two);
    }
    for i in 0..8 {
        state[i] = state[i].wrapping_add(s[i]);
    }
}

#[no_mangle]
pub extern "C" fn sha(n: i32) -> i64 {
    let mut block = [0u8; 1024 + 64];
    block[1024] = 0x80; // and the length, 8192 bits, ends the last block
    block[1024 + 62] = 0x20;
    for _ in 0..n {
        let mut state = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
        for part in block.chunks_exact(64) {
            compress(&mut state, part);
        }
        for (i, word) in state.iter().enumerate() {
            block[4 * i..4 * i + 4].copy_from_slice(&word.to_be_bytes());
        }
    }
    u32::from_le_bytes([block[0], block[1], block[2], block[3]]).into()
}

#[no_mangle]
pub extern "C" fn sorted(n: i32) -> i64 {
    let mut state = 1u32;
    let mut values: Vec<u32> = (0..n)
        .map(|_| {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            state
        })
        .collect();
    values.sort_unstable();
    values[n as usize / 2].into()
}

#[no_mangle]
pub extern "C" fn fibonacci(n: i32) -> i64 {
    if n < 2 {
        return n.into();
    }
    fibonacci(n - 1) + fibonacci(n - 2)
}

#[no_mangle]
pub extern "C" fn matrix(n: i32) -> i64 {
    let n = n as usize;
    let a: Vec<f64> = (0..n * n).map(|i| (i % 7) as f64).collect();
    let b: Vec<f64> = (0..n * n).map(|i| (i % 5) as f64).collect();
    let mut c = vec![0.0; n * n];
    for i in 0..n {
        for k in 0..n {
            for j in 0..n {
                c[i * n + j] += a[i * n + k] * b[k * n + j];
            }
        }
    }
    c.iter().sum::<f64>() as i64
}
