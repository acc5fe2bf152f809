package auth

// SourceError is what is wrong with a source. It shows nothing of a key.
type SourceError struct {
	Option string // the field of Options
	Want   string // in place of what there is
}

// Error implements error.
func (f *SourceError) Error() string { return f.Option + ": " + f.Want }

// Check says everything that is wrong with the sources as they are now.
func Check(opts Options) (faults []*SourceError) {
	check := func(option, value string, load func(string) error) {
		if value == "" {
			return
		}
		if err := load(value); err != nil {
			faults = append(faults, &SourceError{Option: option, Want: err.Error()})
		}
	}
	check("KeysFile", opts.KeysFile, func(path string) error {
		_, _, err := loadKeys(path)
		return err
	})
	check("SecretFile", opts.SecretFile, func(path string) error {
		_, _, err := loadSecret(path)
		return err
	})
	check("PublicKeysFile", opts.PublicKeysFile, func(path string) error {
		_, _, err := loadPEM(path)
		return err
	})
	check("JWKSURL", opts.JWKSURL, checkURL)
	return faults
}
