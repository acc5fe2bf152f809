package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// describe returns the bill of materials of a binary; version is of its main
// module, and empty where the binary knows it.
func describe(path, version string) (*cdx.BOM, error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the modules of %s: %w", path, err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("hashing the binary: %w", err)
	}
	main := info.Main
	if version != "" {
		main.Version = version
	}
	binary, err := component(cdx.ComponentTypeApplication, main)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	binary.Hashes = hashes(sum[:])

	// The Go release is a component, too: most advisories are of the standard
	// library.
	modules := []cdx.Component{goRelease(info.GoVersion)}
	for _, dependency := range info.Deps {
		module, err := component(cdx.ComponentTypeLibrary, effective(*dependency))
		if err != nil {
			return nil, err
		}
		modules = append(modules, module)
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &binary}
	bom.Components = &modules
	return bom, nil
}

// effective is the module that was really built in the place of m.
func effective(m debug.Module) debug.Module {
	if m.Replace != nil {
		return *m.Replace
	}
	return m
}

func goRelease(version string) cdx.Component {
	number, _, _ := strings.Cut(strings.TrimPrefix(version, "go"), " ") // of "go1.26.1 X:experiment"
	return cdx.Component{
		Type: cdx.ComponentTypeLibrary, Name: "std", Version: version,
		BOMRef: "pkg:golang/std@" + number, PackageURL: "pkg:golang/std@" + number,
	}
}

// component is a module. Its hash is that of go.sum, the SHA-256 of the sums of
// its files, and not of its zip file.
func component(kind cdx.ComponentType, m debug.Module) (cdx.Component, error) {
	url := "pkg:golang/" + m.Path + "@" + strings.ReplaceAll(m.Version, "+", "%2B")
	c := cdx.Component{Type: kind, Name: m.Path, Version: m.Version, BOMRef: url, PackageURL: url}
	if m.Sum == "" { // of the main module, and of one in a local directory
		return c, nil
	}
	encoded, known := strings.CutPrefix(m.Sum, "h1:")
	sum, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || !known {
		return c, fmt.Errorf("%s has the sum %q, want h1: and base64", m.Path, m.Sum)
	}
	c.Hashes = hashes(sum)
	return c, nil
}

func hashes(sum []byte) *[]cdx.Hash {
	return &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum)}}
}
