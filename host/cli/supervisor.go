package cli

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/host/dev/link"
	"github.com/understudy-host/understudy/pkg/activation"
	"github.com/understudy-host/understudy/pkg/httpserver"
)

// orphanTime is how long a host may take to stop after its parent in development has ended.
const orphanTime = 10 * time.Second

// supervised completes the options with what the process that started this one offers: the parent in development has the
// ports and the kept values, and systemd the sockets. The context ends with the parent.
func supervised(cmd *cobra.Command, o *host.Options) (ctx context.Context, release func(), err error) {
	ctx, cancel := context.WithCancelCause(cmd.Context())
	parent, err := link.Find(ctx)
	switch {
	case err != nil:
		cancel(err)
		return nil, nil, err
	case parent == nil:
		sockets := activation.Inherit()
		o.Listen = sockets.Listen
		o.Ready = func() {
			for _, name := range sockets.Unused() {
				cmd.PrintErrf("%s: the inherited socket %q is not used, expected the name %s\n", cmd.Name(), name, httpserver.SocketName)
			}
		}
		return ctx, func() { cancel(nil) }, nil
	}
	o.Listen, o.Memo, o.Drained, o.Quiet = parent.Listen, parent, true, parent.Reload()
	o.Ready = func() {
		if err := parent.Ready(); err != nil {
			cancel(err)
		}
	}
	go func() {
		<-parent.Gone()
		cancel(errors.New("the parent of this process has ended"))
		time.AfterFunc(orphanTime, func() { os.Exit(1) })
	}()
	return ctx, func() { cancel(nil); parent.Close() }, nil
}
