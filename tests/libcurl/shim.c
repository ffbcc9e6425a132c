/* A libcurl that can't use a key in NSS, for tests/libcurl; LD_PRELOAD puts it in front of the real
 * one. SHIM=gnutls reports GnuTLS as the TLS library. SHIM=deaf reports the real one's, and refuses
 * an SSL_CTX callback. SHIM=blind refuses it, too, and accepts every server. SHIM=broken can't be
 * initialized, like the real one when OpenSSL lacks its FIPS module. SHIM=lookup never finishes a
 * name lookup, and its multi handles close when the lookups have ended unless told not to wait, like
 * the real one's since 8.20. */
#define _GNU_SOURCE
#include <curl/curl.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static int quick;

#undef curl_multi_setopt
CURLMcode curl_multi_setopt(CURLM *handle, CURLMoption option, ...)
{
    CURLMcode (*real)(CURLM *, CURLMoption, ...) = dlsym(RTLD_NEXT, "curl_multi_setopt");
    va_list arguments;
    void *argument;

    va_start(arguments, option);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    if (option == 21) /* CURLMOPT_QUICK_EXIT */
        quick = argument != NULL;
    return real(handle, option, argument);
}

CURLMcode curl_multi_cleanup(CURLM *handle)
{
    CURLMcode (*real)(CURLM *) = dlsym(RTLD_NEXT, "curl_multi_cleanup");

    while (shim("lookup") && !quick)
        pause();
    return real(handle);
}

CURLcode curl_global_init(long flags)
{
    CURLcode (*real)(long) = dlsym(RTLD_NEXT, "curl_global_init");

    return shim("broken") ? CURLE_FAILED_INIT : real(flags);
}

CURL *curl_easy_init(void)
{
    CURL *(*real)(void) = dlsym(RTLD_NEXT, "curl_easy_init");

    return shim("broken") ? NULL : real();
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

    while (shim("lookup"))
        pause();
    real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(node, service, hints, found);
}

curl_version_info_data *curl_version_info(CURLversion age)
{
    curl_version_info_data *(*real)(CURLversion) = dlsym(RTLD_NEXT, "curl_version_info");
    static curl_version_info_data data;

    data = *real(age);
    if (shim("gnutls"))
        data.ssl_version = "GnuTLS/3.7.9";
    return &data;
}
