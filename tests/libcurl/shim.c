/* A libcurl that isn't fit to be lent a key, for tests/libcurl: put in front of the real one by
 * LD_PRELOAD. SHIM=gnutls says it is built on GnuTLS, SHIM=static on an OpenSSL of another version
 * than the program's; SHIM=deaf says what the real one is built on, and takes no SSL_CTX callback;
 * SHIM=blind takes none and believes every server besides. */
#define _GNU_SOURCE
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static int shim(const char *name)
{
    const char *wanted = getenv("SHIM");
    return wanted && !strcmp(wanted, name);
}

#undef curl_easy_setopt
CURLcode curl_easy_setopt(CURL *handle, CURLoption option, ...)
{
    CURLcode (*real)(CURL *, CURLoption, ...) = dlsym(RTLD_NEXT, "curl_easy_setopt");
    va_list arguments;
    void *argument; /* pointer, long and function pointer are passed alike */

    va_start(arguments, option);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    if (option == CURLOPT_SSL_CTX_FUNCTION && (shim("deaf") || shim("blind")))
        return CURLE_NOT_BUILT_IN;
    if ((option == CURLOPT_SSL_VERIFYPEER || option == CURLOPT_SSL_VERIFYHOST) && shim("blind"))
        argument = NULL;
    return real(handle, option, argument);
}

curl_version_info_data *curl_version_info(CURLversion age)
{
    curl_version_info_data *(*real)(CURLversion) = dlsym(RTLD_NEXT, "curl_version_info");
    static curl_version_info_data data;

    data = *real(age);
    if (shim("gnutls"))
        data.ssl_version = "GnuTLS/3.7.9";
    if (shim("static"))
        data.ssl_version = "OpenSSL/3.0.0";
    return &data;
}
