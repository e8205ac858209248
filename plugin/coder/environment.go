package coder

import (
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

// environment is one entry of auth.providers.coder, which the env parameter of the provider routes selects. The
// legacy routes have one without a name and without sessions.
type environment struct {
	name string
	app  application
	*upstream.Client
	*upstream.Sessions
}

// binding returns what a refresh token is bound to.
func (e *environment) binding() string {
	return strings.Join([]string{oldBinding, e.name, e.app.Deployment, e.app.ClientID}, "\n")
}

// logFailure logs a failed call to Coder. Of those that were not made, because too many ask at once, a flood would make as
// many lines: package upstream writes one.
func (h *handler) logFailure(level zapcore.Level, message string, e *environment, err *upstream.Error) {
	if err.Kind == upstream.Busy {
		level = zap.DebugLevel
	}
	h.log.Log(level, message,
		zap.String("env", e.name), zap.String("config", e.app.key), zap.String("deployment", e.app.Deployment), zap.Int("status", err.Status),
		zap.String("error", err.Error()), zap.String("hint", err.Hint()),
	)
}

// environment selects by the env parameter, otherwise by the state. Its errors are those of Backstage's
// OAuthEnvironmentHandler.
func (h *handler) environment(query express.Query) (*environment, error) {
	// As in Backstage, env takes precedence over the state. The frame route compares the two.
	name := query.Get("env")
	if name == "" {
		state := stateParam(query)
		if state == "" {
			return nil, apierror.Input("Must specify 'env' query to select environment")
		}
		fields, err := readState(state)
		if err != nil {
			return nil, err
		}
		name = fields["env"]
	}
	e, ok := h.environments[name]
	if !ok {
		return nil, apierror.NotFound("No configuration available for the '" + name + "' environment of this provider.")
	}
	return e, nil
}

// callerEnvironment selects the environment for a request of the app's own code, and refuses what a form or a link
// of another site could send.
func (h *handler) callerEnvironment(r *request) (*environment, error) {
	e, err := h.environment(r.query)
	if err == nil && r.Header.Get("X-Requested-With") != "XMLHttpRequest" {
		err = apierror.Authentication("Invalid X-Requested-With header")
	}
	// Browsers send no Origin with some same-origin requests. X-Requested-With protects those.
	if from := r.Header.Get("Origin"); err == nil && from != "" {
		err = h.settings.checkAllowed(from)
	}
	return e, err
}

// refusal returns the error code and the description that Coder put into the callback's query, reduced to what
// RFC 6749, section 4.1.2.1 allows. Anyone can write a link with a description: it is left out unless the state
// proves that the answer is Coder's.
func refusal(query express.Query, proven bool) (code, description string) {
	if code = query.Get("error"); !upstream.IsErrorCode(code) {
		code = "unknown_error"
	}
	if !proven {
		return code, ""
	}
	description = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return -1
		}
		return c
	}, query.Get("error_description"))
	return code, strings.TrimSpace(description[:min(len(description), 300)])
}
