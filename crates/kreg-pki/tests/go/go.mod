module kreg.dev/pki-judge

go 1.24
