package text

import "testing"

func TestByteSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "77B": 77, "1kB": 1 << 10, "512MB": 512 << 20, "2 GB": 2 << 30, "3tb": 3 << 40,
		"": -1, "GB": -1, "77": -1, "2": -1, "-1": -1, "1.5GB": -1, "1MiB": -1, "1 G B": -1, "9999999TB": -1, "99999999999999999999": -1,
	} {
		var b ByteSize
		err := b.UnmarshalText([]byte(text))
		if (err != nil) != (want < 0) || (err == nil && int64(b) != want) {
			t.Errorf("%q is %d, %v; want %d", text, b, err, want)
		}
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 bytes", 8192: "8,192 bytes", 1 << 20: "1,024 kB", 306 << 20: "306 MB", 25 << 30: "25 GB", 3 << 40: "3,072 GB", 90 << 40: "90 TB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestByteSizeIsWrittenAsItIsRead(t *testing.T) {
	t.Parallel()
	for b, want := range map[ByteSize]string{0: "0", 77: "77B", 1 << 10: "1kB", 1536: "1536B", 2 << 30: "2GB", 5 << 40: "5TB", 5 << 50: "5120TB"} {
		if got := b.String(); got != want {
			t.Errorf("%d: got %s, want %s", int64(b), got, want)
		}
	}
}
