package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

func listenTLS(config *tls.Config) (net.Listener, error) {
	return tls.Listen("tcp", "127.0.0.1:0", config)
}

// measure repeats one operation, as many at once as it is told, and says how many there were, in how much time and processor time.
func measure(ctx context.Context, arguments []string) error {
	var seconds float64
	if _, err := fmt.Sscan(arguments[1], &seconds); err != nil {
		return err
	}
	operation, err := operationOf(ctx, arguments[0])
	if err != nil {
		return err
	}
	for range 20 {
		if err := operation(); err != nil {
			return err
		}
	}
	atOnce := 1
	if len(arguments) > 2 {
		if _, err := fmt.Sscan(arguments[2], &atOnce); err != nil {
			return err
		}
	}
	start, startCPU := time.Now(), processorTime()
	counts, failures := make(chan int), make(chan error, atOnce)
	for range atOnce {
		go func() {
			done := 0
			for time.Since(start).Seconds() < seconds {
				if err := operation(); err != nil {
					failures <- err
					break
				}
				done++
			}
			counts <- done
		}()
	}
	count := 0
	for range atOnce {
		count += <-counts
	}
	select {
	case err := <-failures:
		return err
	default:
	}
	return say(map[string]any{"count": count, "seconds": time.Since(start).Seconds(), "cpuSeconds": processorTime() - startCPU})
}

func processorTime() float64 {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

func operationOf(ctx context.Context, kind string) (func() error, error) {
	if kind == "sign" {
		return signing()
	}
	client, err := workloadapi.New(ctx)
	if err != nil {
		return nil, err
	}
	const audience = "measured"
	switch kind {
	case "svid":
		return func() error { _, err := client.FetchX509SVID(ctx); return err }, nil
	case "token":
		return func() error { _, err := client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: audience}); return err }, nil
	case "verify-svid":
		known, err := client.FetchX509Context(ctx)
		if err != nil {
			return nil, err
		}
		raw := [][]byte{}
		for _, certificate := range known.DefaultSVID().Certificates {
			raw = append(raw, certificate.Raw)
		}
		return func() error { _, _, err := x509svid.ParseAndVerify(raw, known.Bundles); return err }, nil
	case "verify-token":
		token, err := client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: audience})
		if err != nil {
			return nil, err
		}
		bundles, err := client.FetchJWTBundles(ctx)
		if err != nil {
			return nil, err
		}
		text := token.Marshal()
		return func() error { _, err := jwtsvid.ParseAndValidate(text, bundles, []string{audience}); return err }, nil
	default:
		return nil, fmt.Errorf("cannot measure %s", kind)
	}
}

// signing issues X.509-SVIDs for one given key, as an authority does.
func signing() (func() error, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: now, NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: []byte{1, 2, 3, 4},
	}
	id := &url.URL{Scheme: "spiffe", Host: "example.org", Path: "/workload"}
	var serial atomic.Int64
	return func() error {
		_, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(serial.Add(1)), NotBefore: now, NotAfter: now.Add(time.Hour), URIs: []*url.URL{id}, BasicConstraintsValid: true,
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}, ca, &key.PublicKey, caKey)
		return err
	}, nil
}
