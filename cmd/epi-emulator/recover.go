package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/clusters/emulator/s3/objects"
	"github.com/podidentity/epi/clusters/emulator/store"
)

func recoverCommand(out io.Writer) *cobra.Command {
	var from, to string
	command := &cobra.Command{
		Use:   "recover --state FILE --to NEW",
		Short: "Write what can be read of a damaged state file to a new one",
		Long: `Recover reads a file that serve --state does not take because it is damaged, and
writes every record whose checksum is right to a new file, which serve takes. Objects
whose content is lost are left out. It says what is wrong with the old file, and
leaves it as it is.`,
		Example: `  epi-emulator recover --state aws.db --to aws.recovered.db
  epi-emulator serve --state aws.recovered.db ...`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if from == "" || to == "" {
				return usageError{errors.New("recover needs --state and --to")}
			}
			return recoverState(out, from, to)
		},
	}
	command.Flags().StringVar(&from, "state", "", "file that is damaged")
	command.Flags().StringVar(&to, "to", "", "file to write, which must not be there")
	return command
}

func recoverState(out io.Writer, from, to string) error {
	records, problems, err := store.Recover(from, to)
	if err != nil {
		return err
	}
	made, err := store.Open(to)
	if err != nil {
		return err
	}
	dropped, err := pruneObjects(made)
	if err = errors.Join(err, made.Close()); err != nil {
		return fmt.Errorf("recover state %s: %w", from, err)
	}
	for _, problem := range problems {
		if _, err := fmt.Fprintln(out, problem); err != nil {
			return fmt.Errorf("say what is wrong: %w", err)
		}
	}
	if len(problems) == 0 {
		if _, err := fmt.Fprintln(out, "Nothing is wrong with "+from); err != nil {
			return fmt.Errorf("say what is wrong: %w", err)
		}
	}
	_, err = fmt.Fprintf(out, "%d records are in %s; %d of objects without their content were left out\n", records-dropped, to, dropped)
	return err
}

func pruneObjects(state *store.Store) (int, error) {
	var tables objects.Tables
	for name, table := range map[string]*store.Table{
		"s3 buckets": &tables.Buckets, "s3 objects": &tables.Objects, "s3 contents": &tables.Contents, "s3 uploads": &tables.Uploads,
	} {
		var err error
		if *table, err = state.Table(name); err != nil {
			return 0, err
		}
	}
	return objects.Prune(tables)
}
