package main

// matrix multiplies two matrices of n by n floating-point numbers.
//
//go:wasmexport matrix
func matrix(n int32) int64 {
	size := int(n)
	a, b, c := make([]float64, size*size), make([]float64, size*size), make([]float64, size*size)
	for i := range a {
		a[i], b[i] = float64(i%7), float64(i%5)
	}
	for i := range size {
		for k := range size {
			for j := range size {
				c[i*size+j] += a[i*size+k] * b[k*size+j]
			}
		}
	}
	total := 0.0
	for _, x := range c {
		total += x
	}
	return int64(total)
}
