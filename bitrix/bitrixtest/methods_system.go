package bitrixtest

import (
	"strconv"
	"strings"
	"time"
)

// scope implements scope: the scopes of the credential or, with full, all scopes.
func (c *call) scope() *apiError {
	list := c.x.c.Rights.Scopes
	if full := c.args.param("full"); full.text == "1" || full.text == "true" {
		list = []string{"crm", "sale", "catalog", "task", "user", "pay_system", "telephony"}
	}
	c.out = append(c.out, '[')
	for i, name := range list {
		if i > 0 {
			c.out = append(c.out, ',')
		}
		c.out = appendString(c.out, name)
	}
	c.out = append(c.out, ']')
	return nil
}

// profile implements profile: the calling user.
func (c *call) profile() *apiError {
	c.out = append(c.out, `{"ID":"`...)
	c.out = strconv.AppendInt(c.out, int64(c.x.c.User), 10)
	c.out = append(c.out, `","ADMIN":`...)
	c.out = strconv.AppendBool(c.out, !c.x.c.Rights.NotAdmin)
	c.out = append(c.out, `,"NAME":"\u0418\u043d\u0442\u0435\u0433\u0440\u0430\u0446\u0438\u044f","LAST_NAME":"","PERSONAL_GENDER":"","TIME_ZONE":""`...)
	c.profileOffset()
	c.out = append(c.out, '}')
	return nil
}

// methodGet implements method.get: whether a method exists and may be called.
func (c *call) methodGet() *apiError {
	number, ok := methodNumbers[c.args.param("name").text]
	c.out = append(c.out, `{"isExisting":`...)
	c.out = strconv.AppendBool(c.out, ok)
	c.out = append(c.out, `,"isAvailable":`...)
	c.out = strconv.AppendBool(c.out, ok && c.x.c.granted(methods[number].scope))
	c.out = append(c.out, '}')
	return nil
}

// serverTime implements server.time.
func (c *call) serverTime() *apiError {
	now := time.Now().Unix()
	c.out = appendTime(c.out, now, c.x.c.offsetAt(now))
	return nil
}

// licences are the names of the plans in app.info.
var licences = map[Plan]string{
	PlanStandard:   "std",
	PlanEnterprise: "ent250",
	PlanUnlimited:  "ent10000",
}

// appInfo implements app.info, for applications only.
func (c *call) appInfo() *apiError {
	if !c.x.app {
		return errAppOnly
	}
	licence := licences[c.x.c.Plan]
	family := strings.TrimRight(licence, "0123456789")
	c.out = append(c.out, `{"ID":5,"CODE":`...)
	c.out = appendString(c.out, c.x.c.OAuth.ClientID)
	c.out = append(c.out, `,"VERSION":1,"STATUS":"L","INSTALLED":true,"PAYMENT_EXPIRED":"N","DAYS":null,"LANGUAGE_ID":"en","LICENSE":"en_`...)
	c.out = append(c.out, licence...)
	c.out = append(c.out, `","LICENSE_TYPE":"`...)
	c.out = append(c.out, licence...)
	c.out = append(c.out, `","LICENSE_FAMILY":"`...)
	c.out = append(c.out, family...)
	c.out = append(c.out, `"}`...)
	return nil
}
