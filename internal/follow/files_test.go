package follow_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"eventhub/internal/follow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// followed is a file of a word, which is not good when it is "bad".
type followed struct {
	t    *testing.T
	path string

	mu            sync.Mutex // protects the fields below
	used, refused []string
}

func run(t *testing.T, settled bool, test func(f *followed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &followed{t: t, path: filepath.Join(t.TempDir(), "file")}
		f.write("first")
		files := follow.Files[string]{
			Load: f.load, Settled: settled,
			Use:    func(text string) { f.note(&f.used, text) },
			Refuse: func(err error) { f.note(&f.refused, err.Error()) },
		}
		if first, err := files.Open(); err != nil || first != "first" {
			t.Fatalf("opened %q, %v", first, err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			files.Run(ctx)
		}()
		time.Sleep(time.Second) // looks are at odd seconds from here
		test(f)
		stop()
		<-ended
	})
}

func (f *followed) load() (string, follow.State, error) {
	content, err := follow.Read(f.path)
	sum := follow.NewSum()
	sum.Add(content, err)
	if string(content) == "bad" {
		err = errors.New("it is bad")
	}
	return string(content), sum.State(), err
}

func (f *followed) write(text string) {
	if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *followed) note(list *[]string, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*list = append(*list, text)
}

func (f *followed) looks(n int) {
	time.Sleep(time.Duration(n) * 2 * time.Second)
	synctest.Wait()
}

func (f *followed) want(used, refused int) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.used) != used || len(f.refused) != refused {
		f.t.Errorf("used %q, refused %q, want %d and %d", f.used, f.refused, used, refused)
	}
}

func TestWhatIsGoodIsUsedAtTheNextLook(t *testing.T) {
	t.Parallel()
	run(t, false, func(f *followed) {
		f.looks(5)
		f.want(0, 0)
		f.write("second")
		f.looks(1)
		f.want(1, 0)
		f.looks(5)
		f.want(1, 0)
	})
}

func TestWhatMustSettleIsUsedWhenItWasTheSameTwice(t *testing.T) {
	t.Parallel()
	run(t, true, func(f *followed) {
		for _, part := range []string{"s", "se", "sec", "second"} {
			f.write(part)
			f.looks(1)
			f.want(0, 0)
		}
		f.looks(1)
		f.want(1, 0)
		if !slices.Equal(f.used, []string{"second"}) {
			t.Errorf("used %q", f.used)
		}
	})
}

func TestWhatIsNotGoodIsToldOncePerChange(t *testing.T) {
	t.Parallel()
	run(t, true, func(f *followed) {
		f.write("bad")
		f.looks(1)
		f.want(0, 0) // it may be half of what comes
		f.looks(10)
		f.want(0, 1)
		if err := os.Remove(f.path); err != nil {
			t.Fatal(err)
		}
		f.looks(10)
		f.want(0, 2)
		if f.refused[1] != "no such file or directory" {
			t.Errorf("refused with %q", f.refused[1])
		}
		f.write("first") // which is in use
		f.looks(10)
		f.want(0, 2)
		f.write("bad")
		f.looks(10)
		f.want(0, 3)
	})
}

func TestLargeFileIsNotRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	for size, fault := range map[int]string{8 << 20: "", 8<<20 + 1: "more than 8388608 bytes"} {
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		content, err := follow.Read(path)
		if fault == "" && (err != nil || len(content) != size) || fault != "" && (err == nil || !strings.Contains(err.Error(), fault)) {
			t.Errorf("%d bytes: read %d, %v", size, len(content), err)
		}
	}
}
