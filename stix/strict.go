package stix

func (c *checker) strictly() bool              { return true }
func (c *checker) strictReference(at int) bool { return true }
func (c *checker) strictHash(at int) bool      { return true }
func (c *checker) strictExtension(at int) bool { return true }
func (c *checker) strictKey(at int) bool       { return true }
func (c *checker) strictMIME() bool            { return true }
func (c *checker) strictRegistry() bool        { return true }
func (c *checker) strictMail() bool            { return true }
func (c *checker) strictIPv6() bool            { return true }
func (c *checker) strictMAC() bool             { return true }
func (c *checker) strictCPE() bool             { return true }
func derivedID(o *Object) *Note                { return nil }
