package jobfile

import (
	"regexp"
	"strconv"
)

var dateName = regexp.MustCompile(`^[0-9]{1,4}-[0-9]{1,2}-[0-9]{1,2}$`)

// TypedName reports whether engines that infer the types of folders read a portal's
// name as something else than a string: a number, a date or a boolean. The column
// portal then has another type than that of other portals, or another value, such as 7
// for 007.
func TypedName(portal string) bool {
	_, err := strconv.ParseFloat(portal, 64)
	return err == nil || dateName.MatchString(portal) || portal == "true" || portal == "false"
}
