// Reads PEM files as Go's programs do. Takes a JSON array of cases on stdin, writes a JSON array
// of answers: the certificates that were read, by their SHA-256, or why the file is refused.
package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
)

type testCase struct {
	// chain, key or bundle.
	Kind string `json:"kind"`
	File []byte `json:"file"`
	// What goes with it: the key of a chain, the chain of a key.
	Other []byte `json:"other"`
	// DER of the certificates that a bundle may hold.
	Known [][]byte `json:"known"`
}

type answer struct {
	Refused      string   `json:"refused"`
	Certificates []string `json:"certificates"`
}

func main() {
	var cases []testCase
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	answers := make([]answer, len(cases))
	for i, c := range cases {
		certificates, err := read(c)
		if err != nil {
			answers[i].Refused = err.Error()
			continue
		}
		for _, der := range certificates {
			sum := sha256.Sum256(der)
			answers[i].Certificates = append(answers[i].Certificates, hex.EncodeToString(sum[:]))
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func read(c testCase) ([][]byte, error) {
	switch c.Kind {
	case "chain":
		pair, err := tls.X509KeyPair(c.File, c.Other)
		return pair.Certificate, err
	case "key":
		_, err := tls.X509KeyPair(c.Other, c.File)
		return nil, err
	case "bundle":
		return trusted(c)
	}
	return nil, fmt.Errorf("no such kind: %s", c.Kind)
}

// A pool shows nothing of what it holds, so each known certificate is put before it.
func trusted(c testCase) ([][]byte, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(c.File) {
		return nil, fmt.Errorf("no certificate")
	}
	var found [][]byte
	for _, der := range c.Known {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		options := x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
		if _, err := certificate.Verify(options); err == nil {
			found = append(found, der)
		}
	}
	return found, nil
}
