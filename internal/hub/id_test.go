package hub_test

import (
	"math"
	"math/big"
	"slices"
	"testing"
	"time"

	"eventhub/internal/hub"
)

// maxID is at or after every id there can be.
var maxID = hub.ID{MS: math.MaxUint64, Seq: math.MaxUint64}

func TestIDIsReadAsRedisWritesIt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]hub.ID{
		"0-0":             {},
		"1763650000000-0": {MS: 1763650000000},
		"1-2":             {MS: 1, Seq: 2},
		"18446744073709551615-18446744073709551615": maxID,
	} {
		id, err := hub.ParseID(text)
		if err != nil || id != want {
			t.Errorf("%q is %v (%v), want %v", text, id, err, want)
		}
		if got := id.String(); got != text {
			t.Errorf("%q is written %q", text, got)
		}
		if got := string(id.Append([]byte("after:"))); got != "after:"+text {
			t.Errorf("%q is appended as %q", text, got)
		}
	}
}

func TestWhatIsNoIDIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "-", "1", "1-", "-1", "1-1-1", "+1-1", "1-+1", "1--1", "1_0-1", "1-1_0", " 1-1", "1-1 ", "1-1\n", "0x1-1", "1.0-1",
		"a-1", "1-a", "١-1", "1-*", "18446744073709551616-0", "0-18446744073709551616",
	} {
		if id, err := hub.ParseID(text); err == nil {
			t.Errorf("%q is read as %v", text, id)
		}
	}
}

func TestRefusedIDIsNotRepeatedAtLength(t *testing.T) {
	t.Parallel()
	_, err := hub.ParseID(string(make([]byte, 1<<20)))
	if err == nil || len(err.Error()) > 1000 {
		t.Errorf("the error has %d bytes, want it short", len(err.Error()))
	}
}

// ordered is in the order of publishing.
var ordered = []hub.ID{
	{},
	{Seq: 1},
	{Seq: math.MaxUint64},
	{MS: 1},
	{MS: 9, Seq: 10},
	{MS: 10, Seq: 9},
	{MS: math.MaxUint64},
	maxID,
}

func TestIDsCompareNumberByNumber(t *testing.T) {
	t.Parallel()
	for i, a := range ordered {
		for j, b := range ordered {
			want := i - j
			if got := a.Compare(b); got > 0 != (want > 0) || got < 0 != (want < 0) {
				t.Errorf("%v compared with %v is %d", a, b, got)
			}
		}
	}
	if !slices.IsSortedFunc(ordered, hub.ID.Compare) {
		t.Error("the list is not sorted by Compare")
	}
}

func TestBeforeIsTheIDJustBefore(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ id, want hub.ID }{
		{hub.ID{MS: 5, Seq: 7}, hub.ID{MS: 5, Seq: 6}},
		{hub.ID{MS: 5}, hub.ID{MS: 4, Seq: math.MaxUint64}},
		{hub.ID{Seq: 1}, hub.ID{}},
		{hub.ID{}, hub.ID{}},
	} {
		if got := tc.id.Before(); got != tc.want {
			t.Errorf("before %v comes %v, want %v", tc.id, got, tc.want)
		}
	}
}

func TestIDTellsItsTime(t *testing.T) {
	t.Parallel()
	want := time.Date(2025, 11, 20, 14, 46, 40, int(123*time.Millisecond), time.UTC)
	if got := (hub.ID{MS: uint64(want.UnixMilli()), Seq: 9}).Time(); !got.Equal(want) || got.Location() != time.UTC {
		t.Errorf("the time is %v, want %v", got, want)
	}
	if got := maxID.Time(); got.Year() < 9999 {
		t.Errorf("the time of the last id is %v: it must not wrap around", got)
	}
}

func FuzzParseID(f *testing.F) {
	for _, seed := range []string{"0-0", "1763650000000-0", "007-01", "18446744073709551615-18446744073709551615", "1-", "-1", "+1-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := hub.ParseID(text)
		if err != nil {
			return
		}
		again, err := hub.ParseID(id.String())
		if err != nil || again != id {
			t.Fatalf("%q is %v, which is read again as %v (%v)", text, id, again, err)
		}
		if before := id.Before(); id != (hub.ID{}) && asNumber(before).Cmp(asNumber(id)) >= 0 {
			t.Fatalf("%v is not before %v", before, id)
		} else if id != (hub.ID{}) && new(big.Int).Sub(asNumber(id), asNumber(before)).Int64() != 1 {
			t.Fatalf("there are ids between %v and %v", before, id)
		}
		for _, other := range ordered {
			if got, want := id.Compare(other), asNumber(id).Cmp(asNumber(other)); got != want || other.Compare(id) != -want {
				t.Fatalf("%v compared with %v is %d, want %d", id, other, got, want)
			}
		}
	})
}

// asNumber is the id as one number of 128 bits.
func asNumber(id hub.ID) *big.Int {
	n := new(big.Int).SetUint64(id.MS)
	return n.Add(n.Lsh(n, 64), new(big.Int).SetUint64(id.Seq))
}

func TestScanIDTakesWhatParseIDTakes(t *testing.T) {
	t.Parallel()
	for text, size := range map[string]int{
		"1-0": 3, "1763650000000-12": 16, "007-00": 6, `1-0"`: 3, "1-0-0": 3, "9999999999999999999-9999999999999999999": 39,
		"": 0, "-": 0, "1": 0, "1-": 0, "-1": 0, "+1-0": 0, "1-+0": 0, " 1-0": 0, "1_0-0": 0, "1 -0": 0,
		"10000000000000000000-0": 0, "0-18446744073709551616": 0, // ParseID says which of these are too large
	} {
		id, end := hub.ScanID(text)
		same, sameEnd := hub.ScanID([]byte(text))
		if end != size || sameEnd != size || id != same {
			t.Errorf("%q ends at %d and %d, want %d", text, end, sameEnd, size)
		}
		if want, err := hub.ParseID(text[:end]); end > 0 && (err != nil || id != want) {
			t.Errorf("%q is %v, want %v, %v", text, id, want, err)
		}
	}
}
