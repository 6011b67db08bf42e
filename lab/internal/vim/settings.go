package vim

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// licence plays the free ESXi, whose API is for reading alone: every other method is RestrictedVersion.
type licence struct{ free atomic.Bool }

var readingPrefixes = []string{
	"Retrieve", "Query", "Find", "Fetch", "Create", "Destroy", "WaitFor", "CheckFor", "Cancel", "Continue", "Login",
	"Logout", "CurrentTime", "SessionIsActive", "Acquire", "Refresh", "SearchDatastore", "Read", "Has", "Get", "List",
}

// changing are those that a prefix above would let through.
var changingPrefixes = []string{
	"CreateNasDatastore", "CreateVM", "CreateFolder", "CreateSnapshot", "CreateScreenshot", "CreateVirtualDisk",
	"CreateDirectory", "CreateLocalDatastore", "CreateVmfsDatastore", "CreateResourcePool", "Destroy_Task", "CreateSecondaryVM",
}

func (l *licence) allows(method string) bool {
	if !l.free.Load() {
		return true
	}
	return hasPrefix(method, readingPrefixes) && !hasPrefix(method, changingPrefixes)
}

func hasPrefix(text string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(text, p) {
			return true
		}
	}
	return false
}

// SetLicence is "free" or "full".
func (l *Lab) SetLicence(kind string) error {
	info := simulator.EvalLicense
	switch kind {
	case "full":
	case "free":
		info = types.LicenseManagerLicenseInfo{
			LicenseKey: "0000A-0000B-0000C-0000D-0000E", EditionKey: "esxBasic", Name: "VMware vSphere 8 Hypervisor",
			Properties: info.Properties,
		}
	default:
		return fmt.Errorf("unknown licence %q: free or full", kind)
	}
	l.server.licence.free.Store(kind == "free")
	ctx := l.context()
	manager := l.registry.Get(*l.model.ServiceContent.LicenseManager)
	l.registry.AtomicUpdate(ctx, manager, []types.PropertyChange{
		{Name: "licenses", Val: []types.LicenseManagerLicenseInfo{info}},
	})
	return nil
}

// SetMaintenance puts a host (all, when no name is given) into maintenance mode, or takes it out.
func (l *Lab) SetMaintenance(host string, in bool) error {
	found := false
	for _, h := range l.hosts() {
		if host != "" && h.Name != host && h.Self.Value != host {
			continue
		}
		found = true
		l.registry.AtomicUpdate(l.context(), h, []types.PropertyChange{
			{Name: "runtime.inMaintenanceMode", Val: in}, {Name: "summary.runtime.inMaintenanceMode", Val: in},
		})
	}
	if !found {
		return fmt.Errorf("there is no host %q", host)
	}
	return nil
}
