package reports

import "testing"

func TestQuantities(t *testing.T) {
	for _, row := range []struct {
		value float64
		unit  string
		want  string
	}{
		{0.00082, "sec", "0.820 ms"}, {0.0000041, "sec", "4.10 µs"}, {12.5, "sec", "12.5 s"}, {0.4434, "sec", "443 ms"}, {0, "sec", "0 ms"},
		{7.1e6, "B", "7.10 MB"}, {4096, "B", "4.10 kB"}, {0, "B", "0 B"}, {1.46e6, "B/min", "1.46 MB/min"}, {-3000, "B/min", "-3.00 kB/min"}, {0, "B/min", "0 B/min"}, {4096, "B/identity", "4.10 kB/identity"},
		{0.0132, "ratio", "1.32%"}, {0, "ratio", "0%"}, {1, "ratio", "100%"},
		{0.13, "sec/1000req", "0.130 s/1000req"}, {10000, "req/s", "10000 req/s"}, {1.46, "calls/identity", "1.46 calls/identity"},
		{3, "calls", "3 calls"}, {9.999, "", "10.0"}, {99.97, "", "100"}, {0.00001, "x", "1e-05 x"},
	} {
		if got := Quantity(row.value, row.unit); got != row.want {
			t.Errorf("%g %s: got %q, want %q", row.value, row.unit, got, row.want)
		}
	}
}
