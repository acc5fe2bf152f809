package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

func newKeyCommand(stdout io.Writer) *cobra.Command {
	var id string
	create := &cobra.Command{
		Use: "new", Short: "make an API key, and its entry for HUB_API_KEYS_FILE", Args: noArgs,
		Long: "Makes an API key of 256 random bits. It is printed once and kept nowhere: the entry, which\n" +
			"goes into the file of HUB_API_KEYS_FILE, has its SHA-256 only. Write there what it may do.",
		RunE: func(*cobra.Command, []string) error {
			if err := hub.CheckName("key", id); err != nil {
				return &usageError{fmt.Errorf("--id: want 1 to 128 of A-Z a-z 0-9 . _ : -, beginning with a letter or digit")}
			}
			key, hash := auth.NewKey()
			_, err := fmt.Fprintf(stdout, `# The key. It is shown this once: hand it to its user.
# Authorization: Bearer %s

# Its entry in the file of HUB_API_KEYS_FILE, under keys:
keys:
  - id: %q
    hash: %q
    permissions:
      - allow: [publish, read]
        streams: ["example"]
`, key, id, hash)
			return err
		},
	}
	create.Flags().StringVar(&id, "id", "key", "who has the key, as logs and limits say it: key:<id>")
	return group("key", "API keys", create)
}
