# SOURCE: builds and installs Dogtag (CA, KRA, EST, Java tools) against Debian's JSS, LDAP SDK and
# Tomcat 10.1: javac instead of Maven, which needs a network; upstream's CMake for all that is not
# Java, without C programs and manuals.
B=/root/build
rm -rf $B
mkdir -p $B/classes $B/cmake/dist
cd $B
tar xf "$1"
cd pki
JAVA_HOME=$(ls -d /usr/lib/jvm/java-21-openjdk-* | head -1)
export JAVA_HOME
J=/usr/share/java D=$B/cmake/dist VERSION=11.10.1
say() { echo "== $(date +%T) $*"; }
jakarta() { javax2jakarta -logLevel=WARNING -profile=EE "$1" "$2"; }

say "javax to jakarta"
rm -rf base/tomcat-9.0
jakarta ./base ./base
# `pki` loads the library of the TPS tools when it starts; it is not built
sed -i 's#System.loadLibrary("pki-tps");##' base/tools/src/main/java/com/netscape/cmstools/tps/TPSClientCLI.java

say "libraries"
mkdir -p base/common/lib
lib() { # DEBIAN-NAME [UPSTREAM-NAME] [jakarta]: upstream's CMake expects name-version.jar
  local n=$1 u=${2:-$1} v
  v=$(basename "$(readlink -f $J/$n.jar)" .jar)
  v=${v#"$n"} v=${v#-}
  if [ -n "$3" ]; then jakarta $J/$n.jar "base/common/lib/$u-${v:-1}.jar"
  else cp -L $J/$n.jar "base/common/lib/$u-${v:-1}.jar"; fi
}
for n in commons-cli commons-codec commons-io commons-lang3 commons-logging commons-net httpclient httpcore \
  slf4j-api slf4j-jdk14 jackson-annotations jackson-core jackson-databind; do lib $n; done
lib jakarta-activation jakarta.activation-api
lib jakarta-annotation-api jakarta.annotation-api
lib jaxb-api jakarta.xml.bind-api jakarta
lib jackson-module-jaxb-annotations "" jakarta
lib javax.ws.rs-api jboss-jaxrs-api_2.0_spec jakarta
LIBS=$(printf '%s:' "$PWD"/base/common/lib/*.jar)$J/jss.jar:$J/jss-base.jar:$J/jss-tomcat.jar:$J/jss-tomcat-10.1.jar:$J/ldapjdk.jar
for n in catalina coyote api util util-scan servlet-api jaspic-api juli; do LIBS=$LIBS:$J/tomcat10-$n.jar; done
# needed to compile version 1 of the REST interface, which is not installed
for n in resteasy-jaxrs resteasy-client resteasy-jackson2-provider; do
  jakarta $J/$n.jar $B/$n.jar
  LIBS=$LIBS:$B/$n.jar
done

module() { # FOLDER NAME NEEDED-NAMES...: compiles base/FOLDER to pki-NAME.jar
  local folder=$1 name=$2 path=$LIBS classes=$B/classes/$1 need
  shift 2
  for need in "$@"; do path=$path:$D/pki-$need.jar; done
  say "javac $folder"
  mkdir -p "$classes"
  find "base/$folder/src/main/java" -name '*.java' >"$B/$folder.files"
  "$JAVA_HOME/bin/javac" -nowarn -Xlint:none -proc:none -encoding UTF-8 --release 21 -cp "$path" \
    -d "$classes" "@$B/$folder.files"
  printf 'Implementation-Version: %s\n' $VERSION >$B/manifest
  [ ! -d "base/$folder/src/main/resources" ] || cp -r "base/$folder/src/main/resources/." "$classes/"
  rm -f "$classes/META-INF/MANIFEST.MF"
  "$JAVA_HOME/bin/jar" cfm "$D/pki-$name.jar" $B/manifest -C "$classes" .
}
module common common
module tools tools common
module tomcat tomcat common
module tomcat-10.1 tomcat-10.1 common tomcat
below=(common tools tomcat tomcat-10.1)
module server server "${below[@]}"
for name in server-webapp ca kra est; do module $name $name "${below[@]}" server; done

say "cmake"
# manuals are not made
printf '#!/bin/sh\nwhile [ $# -gt 0 ]; do [ "$1" = -out ] && : >"$2"; shift; done; exit 0\n' >/usr/local/bin/go-md2man
printf '#!/bin/sh\nexit 0\n' >/usr/local/bin/sphinx-build
chmod 755 /usr/local/bin/go-md2man /usr/local/bin/sphinx-build
mkdir -p docs $B/cmake/base/common/python/{man,html} $B/cmake/base/tools/src/main/native/tpsclient/man
sed -i -e '/find_package(\(NSPR\|NSS\|JNI\|Ldap\|APR\|Threads\)/d' \
  -e '/include(\(ConfigureChecks\|DefineCompilerFlags\|CPackConfig\))/d' -e '/configure_file(cmake\/config.h.in/d' CMakeLists.txt
sed -i '/src\/main\/native/d' base/tools/CMakeLists.txt
sed -i '/add_subdirectory(healthcheck)/d' base/server/CMakeLists.txt
find . -name CMakeLists.txt -exec sed -i -E 's/^project\(([^ )]+)\)/project(\1 NONE)/' {} +
sed -i 's/find_package(Python COMPONENTS Interpreter Development)/find_package(Python COMPONENTS Interpreter)/' \
  cmake/Modules/DefinePythonSitePackages.cmake
export APP_SERVER_CM=tomcat-10.1
cmake -S . -B $B/cmake -DCMAKE_INSTALL_PREFIX=/usr -DLIB_INSTALL_DIR=/usr/lib64 -DSBIN_INSTALL_DIR=/usr/sbin \
  -DSYSCONF_INSTALL_DIR=/etc -DSHARE_INSTALL_PREFIX=/usr/share -DVAR_INSTALL_DIR=/var \
  -DPRODUCT_NAME="Dogtag PKI" -DPRODUCT_VERSION=$VERSION -DVERSION=$VERSION -DTHEME=dogtag \
  -DP11_KIT_TRUST="$(ls /usr/lib/*/pkcs11/p11-kit-trust.so | head -1)" -DJAVA_HOME="$JAVA_HOME" \
  -DJAVA_JAR_INSTALL_DIR=/usr/share/java -DJAVA_LIB_INSTALL_DIR=/usr/lib/java -DAPP_SERVER=tomcat-10.1 \
  -DPYTHON_EXECUTABLE=/usr/bin/python3 -DPYTHON3_SITE_PACKAGES=/usr/lib/python3/dist-packages \
  -DSYSTEMD_LIB_INSTALL_DIR=/usr/lib/systemd/system -DSYSTEMD_ETC_INSTALL_DIR=/etc/systemd/system \
  -DWITH_JAVA=FALSE -DWITH_OCSP=OFF -DWITH_TKS=OFF -DWITH_TPS=OFF -DWITH_ACME=OFF -DWITH_JAVADOC=OFF -DWITH_META=OFF \
  -DWITH_TESTS=OFF -DRUN_TESTS=OFF -DWITH_APIV1=OFF -DSERVLET_JAR=$J/tomcat10-servlet-api.jar
make -C $B/cmake --no-print-directory theme all
make -C $B/cmake --no-print-directory install
mkdir -p /usr/share/java/pki /usr/lib/java/pki
cp $D/*.jar /usr/share/java/pki/
ln -sf /usr/share/java/pki/pki-tools.jar /usr/lib/java/pki/pki-tools.jar

say "user"
getent group pkiuser >/dev/null || groupadd -r -g 17017 pkiuser
getent passwd pkiuser >/dev/null || useradd -r -u 17017 -g pkiuser -d /home/pkiuser -s /usr/sbin/nologin pkiuser
say "done"
