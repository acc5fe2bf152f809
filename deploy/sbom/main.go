// Command sbom writes the software bill of materials of a Go binary: a
// CycloneDX document in JSON with the modules that the linker put into it, and
// the Go release whose standard library it carries.
//
//	sbom [-version v] binary > sbom.cdx.json
//
// It reads what the binary itself says, so that a module which go.mod needs
// for tests only is not in it. The document has no time and no serial number:
// the same binary has the same one.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "sbom:", err)
		}
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("sbom", flag.ContinueOnError)
	flags.SetOutput(stderr)
	version := flags.String("version", "", "the binary's version, where it does not know it itself")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("want the path of one binary")
	}
	bom, err := describe(flags.Arg(0), *version)
	if err != nil {
		return err
	}
	return cdx.NewBOMEncoder(stdout, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).EncodeVersion(bom, cdx.SpecVersion1_6)
}
