package main

import "context"

func writeTable(ctx context.Context, path string, results []result, args []string) error { return nil }
