// Judges certificates as a Go client (containerd, Docker, the kubelet) does.
// Reads a JSON array of cases on stdin, writes a JSON array of verdicts: an
// empty string for acceptance, otherwise the reason.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"
)

type testCase struct {
	Chain     string   `json:"chain"`
	Trust     string   `json:"trust"`
	Key       string   `json:"key"`
	Endpoints []string `json:"endpoints"`
	Now       int64    `json:"now"`
}

func main() {
	var cases []testCase
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	verdicts := make([]string, len(cases))
	for i, c := range cases {
		if err := judge(c); err != nil {
			verdicts[i] = err.Error()
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(verdicts); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func judge(c testCase) error {
	// What the server does at start, if the key is given.
	if c.Key != "" {
		if _, err := tls.X509KeyPair([]byte(c.Chain), []byte(c.Key)); err != nil {
			return err
		}
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(c.Trust)) {
		return errors.New("no certificate in the trust file")
	}
	var leaf *x509.Certificate
	links := x509.NewCertPool()
	for rest := []byte(c.Chain); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		switch {
		case err != nil:
			return err
		case leaf == nil:
			leaf = certificate
		default:
			links.AddCert(certificate)
		}
	}
	if leaf == nil {
		return errors.New("no certificate in the chain")
	}
	for _, endpoint := range c.Endpoints {
		_, err := leaf.Verify(x509.VerifyOptions{
			Roots:         roots,
			Intermediates: links,
			DNSName:       endpoint,
			CurrentTime:   time.Unix(c.Now, 0),
		})
		if err != nil {
			return err
		}
	}
	return nil
}
