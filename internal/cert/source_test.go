package cert_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventhub/internal/cert"
	"eventhub/internal/certtest"
)

// followed is a source that is run, in fake time.
type followed struct {
	*certtest.Authority
	*cert.Source
	t        *testing.T
	files    *certtest.Files
	log      logBuffer
	registry *prometheus.Registry
	ends     time.Time // of the first certificate, whose serial is 1
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu   sync.Mutex // protects the field below
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func follow(t *testing.T, test func(f *followed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &followed{Authority: certtest.NewAuthority(t), t: t, files: certtest.NewFiles(t), registry: prometheus.NewRegistry()}
		f.ends = time.Now().Add(24 * time.Hour)
		f.files.Swap(f.Issue(1, f.ends))
		var err error
		f.Source, err = cert.Open(cert.Options{
			CertFile: f.files.Cert, KeyFile: f.files.Key, Log: slog.New(slog.NewJSONHandler(&f.log, nil)), Registry: f.registry,
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			f.Run(ctx)
		}()
		time.Sleep(time.Second) // looks are at odd seconds from here
		test(f)
		stop()
		<-ended
	})
}

// looks has the source look at its files so many times.
func (f *followed) looks(n int) {
	time.Sleep(time.Duration(n) * 2 * time.Second)
	synctest.Wait()
}

// shows wants the certificate with this serial.
func (f *followed) shows(serial int64) {
	f.t.Helper()
	pair, err := f.Get(nil)
	if err != nil {
		f.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil || leaf.SerialNumber.Int64() != serial {
		f.t.Errorf("certificate %v is shown (%v), want %d", leaf.SerialNumber, err, serial)
	}
}

// logged wants so many lines at this level, and returns the last.
func (f *followed) logged(level string, want int) (last string) {
	f.t.Helper()
	n := 0
	for line := range strings.Lines(f.log.String()) {
		if strings.Contains(line, `"level":"`+level+`"`) {
			n++
			last = line
		}
	}
	if n != want {
		f.t.Errorf("%d lines of level %s, want %d:\n%s", n, level, want, &f.log)
	}
	return last
}

func (f *followed) expires() float64 {
	f.t.Helper()
	families, err := f.registry.Gather()
	if err != nil || len(families) != 1 || len(families[0].GetMetric()) != 1 || families[0].GetName() != "hub_tls_certificate_expiration_timestamp_seconds" {
		f.t.Fatalf("metrics: %v, %v", families, err)
	}
	return families[0].GetMetric()[0].GetGauge().GetValue()
}

func TestSwappedPairIsShownAtTheNextLook(t *testing.T) {
	t.Parallel()
	follow(t, func(f *followed) {
		f.shows(1)
		if got := f.expires(); got != float64(f.ends.Unix()) {
			t.Errorf("the metric says %f, want %d", got, f.ends.Unix())
		}
		for serial := int64(2); serial < 6; serial++ { // the second swap replaces a link, too
			ends := f.ends.Add(time.Duration(serial) * time.Hour)
			f.files.Swap(f.Issue(serial, ends))
			f.shows(serial - 1)
			f.looks(1)
			f.shows(serial)
			if got := f.expires(); got != float64(ends.Unix()) {
				t.Errorf("the metric says %f, want %d", got, ends.Unix())
			}
		}
		f.looks(10)
		f.logged("INFO", 4)
		f.logged("ERROR", 0)
	})
}

func TestPairThatIsWrittenBetweenTwoLooksIsNotComplainedOf(t *testing.T) {
	t.Parallel()
	follow(t, func(f *followed) {
		certificate, key := f.Issue(2, f.ends)
		f.files.WriteCert(certificate)
		f.looks(1)
		f.shows(1)
		f.files.WriteKey(key)
		f.looks(1)
		f.shows(2)
		f.logged("ERROR", 0)
	})
}

func TestFilesThatAreNotGoodKeepThePairAndAreToldOncePerChange(t *testing.T) {
	t.Parallel()
	follow(t, func(f *followed) {
		certificate, key := f.Issue(2, f.ends)
		f.files.WriteKey(key)
		f.looks(20)
		f.shows(1)
		if line := f.logged("ERROR", 1); !strings.Contains(line, "this is another's") || !strings.Contains(line, f.files.Key) {
			t.Errorf("the log says %s", line)
		}
		f.files.WriteKey(key[:len(key)/2])
		f.looks(20)
		f.shows(1)
		if line := f.logged("ERROR", 2); !strings.Contains(line, "want a PEM file with a private key") {
			t.Errorf("the log says %s", line)
		}
		f.files.Remove()
		f.looks(20)
		f.shows(1)
		if line := f.logged("ERROR", 3); !strings.Contains(line, "no such file") {
			t.Errorf("the log says %s", line)
		}
		f.files.Swap(certificate, key)
		f.looks(1)
		f.shows(2)
		if got := f.expires(); got != float64(f.ends.Unix()) {
			t.Errorf("the metric says %f, want %d", got, f.ends.Unix())
		}
		f.files.Remove() // the same fault as before is another change
		f.looks(20)
		f.shows(2)
		f.logged("ERROR", 4)
		f.files.Swap(certificate, key) // and what is shown is good again
		f.looks(20)
		f.shows(2)
		f.files.Remove()
		f.looks(20)
		f.logged("ERROR", 5)
		for line := range strings.Lines(string(key)) {
			if !strings.HasPrefix(line, "-----") && strings.Contains(f.log.String(), strings.TrimSpace(line)) {
				t.Errorf("the log has a part of a key:\n%s", &f.log)
			}
		}
	})
}

func TestPairThatIsNotOfThisTimeIsShownWithAWarning(t *testing.T) {
	t.Parallel()
	follow(t, func(f *followed) {
		f.logged("WARN", 0)
		f.files.Swap(f.Issue(2, time.Now().Add(-time.Minute)))
		f.looks(20)
		f.shows(2)
		if line := f.logged("WARN", 1); !strings.Contains(line, "has expired") || !strings.Contains(line, `"level":"WARN"`) {
			t.Errorf("the log says %s", line)
		}
		if got := f.expires(); got >= float64(time.Now().Unix()) {
			t.Errorf("the metric says %f", got)
		}
		ahead, key := f.IssueFrom(3, time.Now().Add(time.Hour), f.ends)
		f.files.Swap(ahead, key)
		f.looks(20)
		f.shows(3)
		if line := f.logged("WARN", 2); !strings.Contains(line, "not valid yet") {
			t.Errorf("the log says %s", line)
		}
	})
}

func TestMetricIsOfTheFirstOfTheChainToEnd(t *testing.T) {
	t.Parallel()
	follow(t, func(f *followed) {
		certificate, key := f.Issue(2, f.ends.Add(240*time.Hour))
		f.files.Swap(append(certificate, f.PEM()...), key)
		f.looks(1)
		f.shows(2)
		if got := f.expires(); got >= float64(f.ends.Add(100*time.Hour).Unix()) {
			t.Errorf("the metric says %f, which is the end of the leaf", got)
		}
	})
}
